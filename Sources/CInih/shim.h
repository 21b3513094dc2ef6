#ifndef CULVER_CINIH_SHIM_H
#define CULVER_CINIH_SHIM_H

/* The library's settings are variables of the process, which Swift 6 does not touch; our line reader makes them
   irrelevant (no line begins with a blank or a byte order mark, none is longer than its buffer). */
#include <ini.h>

#endif
