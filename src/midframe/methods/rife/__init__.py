"""RIFE: intermediate flow, estimated directly and coarse to fine (Huang et al., ECCV 2022)."""
