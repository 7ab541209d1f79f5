from pellucid.doctor.finding import Finding as Finding
