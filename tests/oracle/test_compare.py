# SPDX-License-Identifier: Apache-2.0
"""Does the comparison notice what is wrong, and only that? Runs in the environment `numpy`."""

import sys
import unittest

import compare
import numpy as np

PRODUCT = {"operation": "matmul", "shapes": [[3, 5], [5, 4]]}


def judged(dtype="f32", problem=PRODUCT, terms=5.0):
    """Operands of ones and what a judge would say of them, then what an exact batchdot would."""
    exact = np.full((3, 4), terms)
    kind = np.dtype(compare.RESULT_DTYPE[dtype])
    theirs = {"value": exact, "exact": exact, "magnitude": exact, "terms": exact}
    return problem, [dtype, dtype], theirs, exact.astype(kind)


class Shapes(unittest.TestCase):
    def outcome(self, theirs, ours, **problem):
        return compare.shapes(
            {"operation": "batch_dot", "shapes": [[2, 3], [2, 3]]} | problem, theirs, ours
        )

    def test_a_name_is_an_unknown_dim_to_a_judge(self):
        self.assertEqual(self.outcome({"shape": [None, 3]}, {"shape": ["B", 3]}), compare.AGREE)
        self.assertEqual(self.outcome({"shape": [None, 3]}, {"shape": [2, 3]}), compare.DISAGREE)
        self.assertEqual(self.outcome({"shape": [2, 3]}, {"shape": ["B", 3]}), compare.DISAGREE)

    def test_the_reported_shape_counts(self):
        theirs = {"shape": [2, 3], "reported_shape": [2, 4]}
        self.assertEqual(
            self.outcome(theirs, {"shape": [2, 3], "reported_shape": [2, 4]}), compare.AGREE
        )
        self.assertEqual(
            self.outcome(theirs, {"shape": [2, 3], "reported_shape": [2, 3]}), compare.DISAGREE
        )

    def test_refusals(self):
        ours = {"error": {"code": "DIM"}}
        self.assertEqual(self.outcome({"refused": "ValueError"}, ours), compare.REFUSED)
        self.assertEqual(self.outcome({"refused": "ValueError"}, {"shape": [2]}), compare.DISAGREE)
        self.assertEqual(self.outcome({"shape": [2]}, ours), compare.DISAGREE)
        self.assertEqual(self.outcome({"broken": "NameError"}, ours), compare.DISAGREE)

    def test_who_has_no_memory_refuses_nothing(self):
        theirs = {"refused": "MemoryError: Unable to allocate 25.6 GiB"}
        self.assertEqual(self.outcome(theirs, {"shape": [6]}), "out of memory")
        self.assertEqual(self.outcome({"refused": "ValueError"}, {"shape": [6]}), compare.DISAGREE)

    def test_what_is_only_moved_keeps_its_dtype(self):
        for equation in ("B", "aa->a", "ab->ba", "...b->b..."):
            self.assertTrue(compare._is_copy({"equation": equation}), equation)
        for equation in ("ab->a", "aa", "a,a->a"):
            self.assertFalse(compare._is_copy({"equation": equation}), equation)
        self.assertFalse(compare._is_copy({"operation": "matmul"}))

    def test_deliberate_differences_need_their_reason(self):
        dim, below = {"error": {"code": "DIM"}}, {"error": {"code": "AXIS_RANGE"}}
        ones = {"operation": "einsum", "equation": "ij,jk", "shapes": [[2, 1], [3, 4]]}
        self.assertEqual(self.outcome({"shape": [2, 4]}, dim, **ones), "einsum size 1")
        ones["shapes"] = [[2, 2], [3, 4]]
        self.assertEqual(self.outcome({"shape": [2, 4]}, dim, **ones), compare.DISAGREE)
        three = {"operation": "einsum", "equation": "Vho,oe,hVz", "shapes": [[3, 6, 0], [6, 6], [6, 3, 5]]}
        zero = {"error": {"code": "DIM", "extent": 0, "other_extent": 6}}
        self.assertEqual(self.outcome({"shape": [6, 5]}, zero, **three), "einsum of nothing")
        empty = {"operation": "einsum", "equation": "aab->a", "shapes": [[0, 6, 3]]}
        self.assertEqual(self.outcome({"shape": [6]}, dim, **empty), "einsum diagonal of 0")
        empty["shapes"] = [[6, 0, 3]]
        self.assertEqual(self.outcome({"shape": [6]}, dim, **empty), compare.DISAGREE)
        lost = {"operation": "einsum", "equation": "...,...,...->...", "shapes": [[None], [0], [7]]}
        zero = {"error": {"code": "BROADCAST", "extent": 0, "other_extent": 7}}
        self.assertEqual(self.outcome({"shape": [7]}, zero, **lost), "fails when run")
        lost["shapes"] = [[1], [0], [7]]
        self.assertEqual(self.outcome({"shape": [7]}, zero, **lost), compare.DISAGREE)
        empty = {"operation": "dot", "dialect": "keras-1.0", "shapes": [[0, 2, 0], [0, 4]]}
        reshape = {"error": {"code": "EMPTY_RESHAPE"}}
        self.assertEqual(self.outcome({"shape": [1, 2, 4]}, reshape, **empty), "empty dot")
        empty["shapes"] = [[2, 0, 0], [0, 4]]
        self.assertEqual(self.outcome({"shape": [2, 0, 4]}, reshape, **empty), compare.DISAGREE)
        layer = {"operation": "dot_layer", "dialect": "keras-0.3", "axes": [[2], [2]]}
        layer["shapes"] = [[4, 1, 3], [4, 0, 3]]
        theirs = {"shape": [None, 1, 0], "reported_shape": [4, 1, 0]}
        ours = {"shape": [4, 1, 0], "reported_shape": [4, 1, 0]}
        self.assertEqual(self.outcome(theirs, ours, **layer), "empty dot")
        ours["reported_shape"] = [None, 1, 0]
        self.assertEqual(self.outcome(theirs, ours, **layer), compare.DISAGREE)
        reshape = {"error": {"code": "NOT_IMPLEMENTED"}}
        square = {**layer, "shapes": [[4, 2, 3, 5]] * 2, "axes": -1}
        mixed = {"shape": [2, 2, 3, 2, 3]}
        self.assertEqual(self.outcome(mixed, reshape, **square), "reshaped product")
        square["shapes"] = [[4, 1, 3, 5]] * 2
        ones = {"shape": [4, 1, 3, 1, 3]}
        self.assertEqual(self.outcome(ones, reshape, **square), compare.DISAGREE)
        self.assertEqual(self.outcome({"shape": [2, 1]}, below, axes=[-3, 1]), "axis below -rank")
        self.assertEqual(self.outcome({"shape": [2, 1]}, below, axes=[-2, 1]), compare.DISAGREE)


class Values(unittest.TestCase):
    def outcome(self, change=0.0, dtype="f32", **others):
        problem, dtypes, theirs, array = judged(dtype, **others)
        if change:
            array[2, 1] += change
        return compare.values(problem, dtypes, theirs, {"array": array})[0]

    def test_the_bound(self):
        # n = 5 + 1 roundings of a sum of 5: 6 * 2^-24 * 5 = 1.79e-6.
        self.assertEqual(self.outcome(), compare.AGREE)
        self.assertEqual(self.outcome(1.43e-6), compare.AGREE)
        self.assertEqual(self.outcome(2.39e-6), compare.DISAGREE)
        self.assertEqual(self.outcome(8.9e-15, "f64"), compare.AGREE)
        self.assertEqual(self.outcome(1e-13, "f64"), compare.DISAGREE)
        self.assertEqual(self.outcome(0.004, "f16"), compare.DISAGREE)

    def test_integers_are_exact_modulo_their_size(self):
        self.assertEqual(self.outcome(dtype="i32"), compare.AGREE)
        self.assertEqual(self.outcome(1, "i32"), compare.DISAGREE)
        problem, dtypes, theirs, _ = judged("i32")
        theirs["exact"] = np.full((3, 4), 2**32 + 7)
        ours = {"array": np.full((3, 4), 7, np.int32)}
        self.assertEqual(compare.values(problem, dtypes, theirs, ours)[0], compare.AGREE)

    def test_nan_infinity_dtype_and_shape(self):
        for wrong in (np.nan, np.inf):
            self.assertEqual(self.outcome(wrong), compare.DISAGREE)
        problem, dtypes, theirs, array = judged()
        for other in (array.astype(np.float64), array.T, array[..., None]):
            self.assertEqual(
                compare.values(problem, dtypes, theirs, {"array": other})[0], compare.DISAGREE
            )

    def test_a_judge_out_of_its_own_bound_is_noticed(self):
        problem, dtypes, theirs, array = judged()
        theirs["value"] = theirs["value"] + 0.01
        self.assertEqual(
            compare.values(problem, dtypes, theirs, {"array": array})[0], compare.DISAGREE
        )

    def test_refusals(self):
        problem, dtypes, theirs, array = judged()
        refused, dtype = {"refused": "ValueError"}, {"error": {"code": "DTYPE"}}
        self.assertEqual(compare.values(problem, dtypes, refused, dtype)[0], compare.REFUSED)
        self.assertEqual(
            compare.values(problem, dtypes, refused, {"array": array})[0], compare.DISAGREE
        )
        self.assertEqual(compare.values(problem, dtypes, theirs, dtype)[0], compare.DISAGREE)
        self.assertEqual(compare.values(problem, ["f32", "f64"], theirs, dtype)[0], "promotion")


if __name__ == "__main__":
    sys.exit(unittest.main())
