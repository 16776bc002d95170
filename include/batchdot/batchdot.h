// SPDX-License-Identifier: Apache-2.0
#pragma once
// batchdot: batched dot products in every notation, explained, with the same bits everywhere.
//
// The tour:
//   shape.h        Dim and Shape: extents that may be unknown or named; unify, the one shape rule
//   tensor.h       TensorView borrows your memory, Tensor owns its own
//   notation.h     batch_dot in every Keras dialect, Dot, dot, matmul, tensordot, dot_general and
//                  einsum: on shapes they give a Contraction, on tensors the result
//   contraction.h  Contraction, the normal form that every notation becomes
//   plan.h         Plan: decided once, run often; PlanFamily for unknown extents
//   operation.h    the list of all operations with their options as data
//   explain.h      why each axis of a result is there, as data, text and JSON
//   io.h           .npy files
//   executor.h     threads: ours or yours
//   error.h        one table of errors

#include "batchdot/contraction.h"
#include "batchdot/dtype.h"
#include "batchdot/error.h"
#include "batchdot/executor.h"
#include "batchdot/explain.h"
#include "batchdot/io.h"
#include "batchdot/notation.h"
#include "batchdot/operation.h"
#include "batchdot/plan.h"
#include "batchdot/shape.h"
#include "batchdot/tensor.h"
#include "batchdot/version.h"
