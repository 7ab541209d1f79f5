from pellucid.doctor.data import diagnose_data as diagnose_data
from pellucid.doctor.diagnosis import Diagnosis as Diagnosis
from pellucid.doctor.finding import Finding as Finding
from pellucid.doctor.labels import LabelSearch as LabelSearch, search_labels as search_labels
from pellucid.doctor.watch import Watch as Watch
