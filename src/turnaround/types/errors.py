"""The one error a person sees."""


class InputError(Exception):
    """Bad input, said in one line: the file or key, what was expected, what was found, the way out.

    The mains print it to stderr and exit with code 2.
    """

    def __init__(self, subject: object, *, expected: str, found: str, fix: str):
        self.subject, self.expected, self.found, self.fix = str(subject), expected, found, fix
        line = f"{self.subject}: expected {expected}, found {found}; {fix}"
        super().__init__(" ".join(line.split()))
