"""A pseudo-terminal with somebody at its other end. Prints {"port": path} when it is there."""

import json
import os
import time
import tty


class Line:
    def __init__(self, baud, bits=11):
        self.octet_seconds = bits / baud
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        print(json.dumps({"port": os.ttyname(self.slave)}), flush=True)

    def read(self):
        while True:
            try:
                octets = os.read(self.master, 4096)
            except OSError:
                octets = b""
            if octets:
                return octets
            time.sleep(0.02)

    def write(self, octets, piece=8, pause=0.0):
        """As fast as the wire would, in pieces as a UART delivers them."""
        for at in range(0, len(octets), piece):
            part = octets[at : at + piece]
            time.sleep(len(part) * self.octet_seconds + pause)
            os.write(self.master, part)
