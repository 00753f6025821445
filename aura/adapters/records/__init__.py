"""Records of the runs of teams: files below `memory_dir`, one directory for each run.

<memory_dir>/<session>/latest -> <run>
<memory_dir>/<session>/<run>/manifest.json
<memory_dir>/<session>/<run>/iteration-<n>/...
<memory_dir>/<session>/<run>/artifacts/...
"""
