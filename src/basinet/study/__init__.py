"""The study: systems -> descriptors -> trainings -> evaluations -> tables; resumable, on one machine or many."""
