"""Augmentations as text, for the command line: names and settings."""

from __future__ import annotations

import dataclasses

from pellucid.data.augmentation import AUGMENTATIONS, Augmentation
from pellucid.data.photographs import PHOTO, PhotoAugmentation
from pellucid.errors import ConfigError, did_you_mean

NAMED: dict[str, Augmentation | PhotoAugmentation] = {**AUGMENTATIONS, "photo": PHOTO}


def format_augmentation(augmentation: object) -> str:
    """Return the name of the augmentation, or else its settings, in the form that :func:`parse_augmentation` reads."""
    if augmentation is None:
        return "none"
    for name, preset in NAMED.items():
        if preset == augmentation:
            return name
    if not isinstance(augmentation, (Augmentation, PhotoAugmentation)):  # a function
        return str(augmentation)
    photo = isinstance(augmentation, PhotoAugmentation)
    base: Augmentation | PhotoAugmentation = PHOTO if photo else Augmentation()
    values = {field.name: getattr(augmentation, field.name) for field in dataclasses.fields(augmentation)}
    settings = [f"{name}={repr(value).removesuffix('.0')}" for name, value in values.items() if value != getattr(base, name)]
    return ",".join(["photo"] * photo + settings) or "rotation=0"


def parse_augmentation(text: str) -> Augmentation | PhotoAugmentation | None:
    """Return the augmentation that ``text`` describes.

    The text is a name in NAMED, ``none``, a list of settings of :class:`Augmentation` as in ``rotation=10,shift=2``, or a name
    followed by the settings that differ from it, as in ``affine,share=0.75`` and ``photo,flip=0``. Raises ConfigError.
    """
    first, _, settings = text.partition(",")
    if first == "none":
        if settings:
            raise ConfigError(f"augmentation {text!r}: none takes no settings")
        return None
    base = NAMED.get(first)
    if base is None:
        base, settings = Augmentation(), text
        if "=" not in first:
            known = did_you_mean(first, [*NAMED, "none"])
            raise ConfigError(f"there is no augmentation {first!r}: {known}, or give settings: rotation=10,shift=2")
    names = [field.name for field in dataclasses.fields(base)]
    values: dict[str, float] = {}
    for setting in filter(None, settings.split(",")):
        name, _, value = setting.partition("=")
        if name not in names:
            of_photographs = name in [field.name for field in dataclasses.fields(PHOTO)]
            photo = f"; for photographs, begin with photo: photo,{name}=…" if of_photographs else ""
            raise ConfigError(f"augmentation has no setting {name!r}: {did_you_mean(name, names)}{photo}")
        try:
            values[name] = float(value)
        except ValueError:
            raise ConfigError(f"augmentation: {name}={value!r} is not a number") from None
        if isinstance(getattr(base, name), int) and values[name].is_integer():
            values[name] = int(values[name])
    return dataclasses.replace(base, **values) if values else base  # type: ignore[arg-type]
