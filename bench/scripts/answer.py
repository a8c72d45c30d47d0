# Reads what it is given and gives an answer at once.
import sys

sys.stdin.read()
print('== RESULT START ==\n{"status": "success", "flux": 3.5}\n== RESULT END ==')
