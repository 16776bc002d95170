# SPDX-License-Identifier: Apache-2.0
"""Starts the judges' processes and asks them in batches."""

import json
import os
import subprocess
import threading

import environments
import releases

HERE = environments.HERE


class Worker:
    """One process of one judge. Raises environments.Unavailable if its packages cannot be had."""

    def __init__(self, name):
        judge = releases.BY_NAME[name]
        python = environments.python_of(judge.environment)
        if judge.source:
            environments.keras_source(judge.source)
        if name == "tf.keras-1":
            environments.tensorflow_1_source()
        scratch = environments.cache_folder() / "home"  # old releases write ~/.keras on import
        scratch.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.log = open(environments.cache_folder() / f"{name}.log", "w")
        self.process = subprocess.Popen(
            [str(python), str(HERE / "worker.py"), name],
            stdin=subprocess.PIPE,
            text=True,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=os.environ
            | {
                "HOME": str(scratch),
                "PYTHONDONTWRITEBYTECODE": "1",
                "OMP_NUM_THREADS": "1",
                "OPENBLAS_NUM_THREADS": "1",
            },
        )
        if not self.process.stdout.readline():
            self.close()
            raise RuntimeError(f"{name}: the process ended at start: {self._last_words()}")

    def ask(self, requests):
        """Answers in the order of the requests."""
        requests = list(requests)

        def feed():
            for number, request in enumerate(requests):
                self.process.stdin.write(json.dumps({"id": number} | request) + "\n")
            self.process.stdin.flush()

        feeder = threading.Thread(target=feed)
        feeder.start()
        answers = []
        for number in range(len(requests)):
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError(
                    f"{self.name} ended at {json.dumps(requests[number])}: {self._last_words()}"
                )
            answers.append(json.loads(line))
            assert answers[-1]["id"] == number
        feeder.join()
        return answers

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.log.close()

    def _last_words(self):
        lines = (environments.cache_folder() / f"{self.name}.log").read_text().splitlines()
        return lines[-1] if lines else "no message"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
