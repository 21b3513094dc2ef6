#ifndef CULVER_CVECTORS_VECTORS_H
#define CULVER_CVECTORS_VECTORS_H

#include <stddef.h>

extern const unsigned char culver_vectors_begin[];
extern const unsigned char culver_vectors_end[];

/// The entries of vectors.S one behind the other. Swift would import the symbols as variables of their own.
static inline const unsigned char *culver_vectors(size_t *count) {
    *count = (size_t)(culver_vectors_end - culver_vectors_begin);
    return culver_vectors_begin;
}

#endif
