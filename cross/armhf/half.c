// Rounds to 16 bits, which a standard library without hardware for them asks for. libgcc has it under another name; both
// take and give what they do in core registers, as helpers of the base procedure call standard.

#include <stdint.h>

extern uint16_t __gnu_d2h_ieee(double) __attribute__((pcs("aapcs")));

uint16_t __aeabi_d2h(double value) __attribute__((pcs("aapcs")));
uint16_t __aeabi_d2h(double value) { return __gnu_d2h_ieee(value); }
