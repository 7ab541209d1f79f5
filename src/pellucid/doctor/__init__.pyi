from pellucid.doctor.diagnosis import Diagnosis as Diagnosis
from pellucid.doctor.finding import Finding as Finding
from pellucid.doctor.watch import Watch as Watch
