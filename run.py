"""Use a network: python run.py pipeline=NAME input=PATH [key=value …]"""

from turnaround.run.entry import main

if __name__ == "__main__":
    main("run")
