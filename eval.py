"""Measure methods: python eval.py benchmark=NAME [checkpoint=PATH] [predictions=DIR] [compare=[DIR,…]] [key=value …]"""

from turnaround.run.entry import main

if __name__ == "__main__":
    main("eval")
