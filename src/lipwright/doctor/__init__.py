"""What runs on this machine, what does not, and what to do about it.

Nothing heavy is imported at the top of these modules: they have to run where OpenCV or MediaPipe do not.
"""
