# SPDX-License-Identifier: Apache-2.0
"""docs/judges.md: what was asked, who judged, what disagreed."""

import json
import pathlib

import compare
import releases

HEAD = """\
# The judges' report

Random problems, given to batchdot and to the real packages, compared in shape, in whether both refuse, and in values
within the bound of [numerics](numerics.md), section 4. Old Keras releases run as published, on TensorFlow
2.15.1's `compat.v1`; `tf.keras-1` is the code of the TensorFlow 1.15.0 wheel. Named dims are unknown ones to a judge.

Repeat it with `make oracle`; `tests/oracle/run.py --sample` is the part that `make test` runs. This one: seed {seed},
{shapes:,} shapes and {values:,} values for each judge, extents to {extent}, all dtypes.

| package | version | as | function | shapes | values | both refuse | deliberate differences | disagreements |
|---|---|---|---|---:|---:|---:|---:|---:|
"""


def write(path, options, results, skipped):
    import problems

    extent = (problems.SAMPLE if options.sample else problems.FULL).extent
    text = HEAD.format(
        seed=options.seed, shapes=options.shapes, values=options.values, extent=extent
    )
    kinds = dict.fromkeys(compare.DELIBERATE, 0)
    for name in options.judges:
        judge = releases.BY_NAME[name]
        for count in results.get(name, []):
            meant = {kind: count.outcomes[kind] for kind in kinds if count.outcomes[kind]}
            for kind, number in meant.items():
                kinds[kind] += number
            text += (
                f"| {judge.package} | {judge.version} | {judge.dialect or '-'} | {count.function} | {count.shapes:,} "
                f"| {count.values:,} | {count.outcomes[compare.REFUSED]:,} | {sum(meant.values()):,} "
                f"| {len(count.disagreements)} |\n"
            )
    text += "\n## Deliberate differences\n\n| difference | times | |\n|---|---:|---|\n"
    for kind, number in kinds.items():
        text += f"| {kind} | {number:,} | {compare.DELIBERATE[kind]} |\n"
    disagreeing = [count for counts in results.values() for count in counts if count.disagreements]
    text += "\n## Disagreements\n\n" + ("" if disagreeing else "None.\n")
    for count in disagreeing:
        least = count.smallest()
        text += (
            f"* {count.judge.name}, {count.function}: {len(count.disagreements)}. The shortest: "
            f"`{json.dumps(least['problem'])}`: theirs `{json.dumps(least['theirs'])}`, "
            f"ours `{json.dumps(least['ours'])}` {least['note']}\n"
        )
    if skipped:
        text += f"\n**Not run**: {', '.join(skipped)}; their packages could not be had.\n"
    pathlib.Path(path).write_text(text)
