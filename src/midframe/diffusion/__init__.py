"""Noise levels, parameterisations and samplers: functions over a denoiser, which may be any callable.

Everywhere a noisy sample is z = signal * clean + noise * epsilon, with epsilon of unit variance. Variance-preserving
schedules have signal² + noise² = 1, others may have signal = 1 and any noise: the formulas here hold for both.
"""
