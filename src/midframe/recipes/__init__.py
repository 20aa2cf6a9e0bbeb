"""The numbers of each experiment, one TOML file per trained model."""
