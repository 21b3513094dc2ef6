#ifndef CULVER_CMBEDTLS_SHIM_H
#define CULVER_CMBEDTLS_SHIM_H

// One spelling for mbedTLS 2.28 and 3.6. What both spell alike is called from Swift directly; here is only what they
// spell differently, and what Swift cannot take apart: contexts handed over by value, and numbers (mbedtls_mpi) inside
// structures whose members are private in 3.6. Every function returns 0 or an error of mbedTLS.

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>

#include <mbedtls/version.h>

#include <mbedtls/aes.h>
#include <mbedtls/base64.h>
#include <mbedtls/bignum.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ecp.h>
#include <mbedtls/entropy.h>
#include <mbedtls/hkdf.h>
#include <mbedtls/md.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/rsa.h>

// Randomness

static inline int culver_kernel_entropy(void *unused, unsigned char *out, size_t count) {
    (void)unused;
    for (size_t done = 0; done < count;) {
        ssize_t got = getrandom(out + done, count - done, 0);
        if (got > 0) {
            done += (size_t)got;
        } else if (got == 0 || errno != EINTR) {
            return MBEDTLS_ERR_ENTROPY_SOURCE_FAILED;
        }
    }
    return 0;
}

/// Whether the kernel's generator has been seeded since the start of the machine: where not, whoever asks it waits.
static inline int culver_kernel_entropy_is_ready(void) {
    unsigned char byte;
    return getrandom(&byte, 1, GRND_NONBLOCK) == 1;
}

/// Seeds from the kernel alone: the library's own collector would add nothing but a file and a second opinion.
static inline int culver_drbg_seed(mbedtls_ctr_drbg_context *drbg) {
    return mbedtls_ctr_drbg_seed(drbg, culver_kernel_entropy, NULL, NULL, 0);
}

// Keys

/// PKCS#8, PKCS#1 or SEC1, in DER, not encrypted.
static inline int culver_pk_parse_private(
    mbedtls_pk_context *pk, const unsigned char *der, size_t count, mbedtls_ctr_drbg_context *drbg) {
#if MBEDTLS_VERSION_MAJOR >= 3
    return mbedtls_pk_parse_key(pk, der, count, NULL, 0, mbedtls_ctr_drbg_random, drbg);
#else
    (void)drbg;
    return mbedtls_pk_parse_key(pk, der, count, NULL, 0);
#endif
}

/// Whether the parts of a private key belong together.
static inline int culver_pk_check_private(mbedtls_pk_context *pk, mbedtls_ctr_drbg_context *drbg) {
#if MBEDTLS_VERSION_MAJOR >= 3
    return mbedtls_pk_check_pair(pk, pk, mbedtls_ctr_drbg_random, drbg);
#else
    (void)drbg;
    return mbedtls_pk_check_pair(pk, pk);
#endif
}

/// Room for any signature; a macro of several steps, which Swift does not see.
enum { culver_signature_room = MBEDTLS_PK_SIGNATURE_MAX_SIZE };

/// Signs a SHA-256 digest; `room` bytes are at `out`.
static inline int culver_pk_sign(
    mbedtls_pk_context *pk, const unsigned char digest[32], unsigned char *out, size_t room, size_t *count,
    mbedtls_ctr_drbg_context *drbg) {
#if MBEDTLS_VERSION_MAJOR >= 3
    return mbedtls_pk_sign(pk, MBEDTLS_MD_SHA256, digest, 32, out, room, count, mbedtls_ctr_drbg_random, drbg);
#else
    if (room < culver_signature_room) {
        return MBEDTLS_ERR_PK_BAD_INPUT_DATA;
    }
    return mbedtls_pk_sign(pk, MBEDTLS_MD_SHA256, digest, 32, out, count, mbedtls_ctr_drbg_random, drbg);
#endif
}

static inline int culver_pk_make_rsa(mbedtls_pk_context *pk, unsigned bits, mbedtls_ctr_drbg_context *drbg) {
    int code = mbedtls_pk_setup(pk, mbedtls_pk_info_from_type(MBEDTLS_PK_RSA));
    if (code != 0) {
        return code;
    }
    return mbedtls_rsa_gen_key(mbedtls_pk_rsa(*pk), mbedtls_ctr_drbg_random, drbg, bits, 65537);
}

static inline int culver_pk_make_secp256k1(mbedtls_pk_context *pk, mbedtls_ctr_drbg_context *drbg) {
    int code = mbedtls_pk_setup(pk, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
    if (code != 0) {
        return code;
    }
    return mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256K1, mbedtls_pk_ec(*pk), mbedtls_ctr_drbg_random, drbg);
}

static inline int culver_pk_copy_rsa(mbedtls_pk_context *to, const mbedtls_pk_context *from) {
    int code = mbedtls_pk_setup(to, mbedtls_pk_info_from_type(MBEDTLS_PK_RSA));
    if (code != 0) {
        return code;
    }
    return mbedtls_rsa_copy(mbedtls_pk_rsa(*to), mbedtls_pk_rsa(*from));
}

/// The public exponent of an RSA key; 0 stands for one beyond 32 bits.
static inline int culver_pk_rsa_exponent(const mbedtls_pk_context *pk, uint32_t *exponent) {
    mbedtls_mpi e;
    mbedtls_mpi_init(&e);
    *exponent = 0;
    int code = mbedtls_rsa_export(mbedtls_pk_rsa(*pk), NULL, NULL, NULL, NULL, &e);
    if (code == 0 && mbedtls_mpi_bitlen(&e) <= 32) {
        unsigned char bytes[4];
        code = mbedtls_mpi_write_binary(&e, bytes, sizeof bytes);
        *exponent = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    }
    mbedtls_mpi_free(&e);
    return code;
}

/// The 65 bytes 04||X||Y of a compressed point of secp256k1, which 2.28 cannot read: y is a root of x^3 + 7, and as
/// p leaves 3 when divided by 4, that root is the power (p + 1) / 4. The caller checks that the point is on the curve.
static inline int culver_secp256k1_decompress(const unsigned char in[33], unsigned char out[65]) {
    mbedtls_ecp_group group;
    mbedtls_mpi x, y, exponent;
    mbedtls_ecp_group_init(&group);
    mbedtls_mpi_init(&x);
    mbedtls_mpi_init(&y);
    mbedtls_mpi_init(&exponent);
    int code = mbedtls_ecp_group_load(&group, MBEDTLS_ECP_DP_SECP256K1);
    if (code == 0) code = mbedtls_mpi_read_binary(&x, in + 1, 32);
    if (code == 0 && ((in[0] != 2 && in[0] != 3) || mbedtls_mpi_cmp_mpi(&x, &group.P) >= 0)) {
        code = MBEDTLS_ERR_ECP_INVALID_KEY;
    }
    if (code == 0) code = mbedtls_mpi_mul_mpi(&y, &x, &x);
    if (code == 0) code = mbedtls_mpi_mul_mpi(&y, &y, &x);
    if (code == 0) code = mbedtls_mpi_add_int(&y, &y, 7);
    if (code == 0) code = mbedtls_mpi_mod_mpi(&y, &y, &group.P);
    if (code == 0) code = mbedtls_mpi_add_int(&exponent, &group.P, 1);
    if (code == 0) code = mbedtls_mpi_shift_r(&exponent, 2);
    if (code == 0) code = mbedtls_mpi_exp_mod(&y, &y, &exponent, &group.P, NULL);
    if (code == 0 && mbedtls_mpi_get_bit(&y, 0) != (in[0] & 1)) code = mbedtls_mpi_sub_mpi(&y, &group.P, &y);
    if (code == 0) code = mbedtls_mpi_write_binary(&x, out + 1, 32);
    if (code == 0) code = mbedtls_mpi_write_binary(&y, out + 33, 32);
    out[0] = 4;
    mbedtls_mpi_free(&exponent);
    mbedtls_mpi_free(&y);
    mbedtls_mpi_free(&x);
    mbedtls_ecp_group_free(&group);
    return code;
}

#endif
