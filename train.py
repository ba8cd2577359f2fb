"""Train a network: python train.py experiment=NAME [key=value …]"""

from turnaround.run.entry import main

if __name__ == "__main__":
    main("train")
