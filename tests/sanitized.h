// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whether a sanitizer watches: it brings an allocator of its own, and everything takes longer.
// A macro, for #if.

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BATCHDOT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define BATCHDOT_SANITIZED 1
#endif
#endif
#ifndef BATCHDOT_SANITIZED
#define BATCHDOT_SANITIZED 0
#endif
