"""The libraries that race: each is a program that reads its task as JSON and answers with its marks (see ``race``)."""
