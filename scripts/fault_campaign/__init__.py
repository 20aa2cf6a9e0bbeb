"""A campaign of faults against midframe: processes killed, disks filled, inputs damaged.

This process imports everything once and forks a child for each run, since to start one anew takes seconds. It never
works itself: FFmpeg and PyTorch start threads, which do not survive a fork.
"""
