/// Keys made by OpenSSL 3 for these tests.
enum TestKeys {
    /// An RSA key of 1032 bits in PKCS#1, PKCS#8, and its public half in PKCS#1 and as SubjectPublicKeyInfo.
    static let rsa = """
        -----BEGIN RSA PRIVATE KEY-----
        MIICYAIBAAKBggCxZnGNTo0pbeV0+7L0IcDi6UtghlYhGkjO45Wc50gc0D3ieZD8
        TkIVM7N/5+eDoKvTdr/sty9Ajk9dxZd392pTT+bsgHJCKQwcidvSsp+5uNIHTenz
        v9T4wnV/qapenRMojhGybYtiTbbLKKcZRS6ihF3EiKDPYzrNOZcYYzFrB8MCAwEA
        AQKBgWwwLdAft7csbmOJnPmGHDxGStHzG1PU09JYuUWXR0NLPHKB8QnuMB7+CNpY
        c7iypBeytBmJHiggogZuGpHvMcjNAt1a/PHjyIrLCGOrOU6xm26VCehqu7l8Onin
        50K9qcenvdzM9dGma+uliXOyedzJoMNtSWcz3pFpomZ7cyDQAQJBDouLlAO/vFmD
        LFjc0gdhppoRSoKah/KfEVjOp98Tty8WpTHbaQUgVu/tTtnFLWAwKOH1nHscx+FE
        GrwKNc2770ECQQwyUcUdd1oU42/V4G95bvUMgeXv3u10qui8BQbrMuK8elQ9erbt
        xfwfFyD+kCxrwuLGiVmEDgnJ0nHxtAHF4roDAkEOAeFXmAysTOAAc0ulkKpAEZuZ
        UBGV3tfFkurhy/lmrph2Wn9csi0kzEaTazFys3Ftzb4FBqL+8zftLy3+BrV4gQJB
        CuLGtQaNxmsqbGEaxqQ98p3NOuuTr6EYAk3+tqQqcNEE5jdRVgB3W4ZsYFiVWfB8
        q2fEo48H8JigKm8u2P5EVP0CQQqRGJvRfKuDHEV0avfUDl4F9UMu2+ZM/cBBMtDm
        9g5N4dqyxFBlZFIpO6ihwnvJ+lDNz3mSSQTj+NlcOGF0BA0d
        -----END RSA PRIVATE KEY-----
        """
    static let rsaPKCS8 = """
        -----BEGIN PRIVATE KEY-----
        MIICegIBADANBgkqhkiG9w0BAQEFAASCAmQwggJgAgEAAoGCALFmcY1OjSlt5XT7
        svQhwOLpS2CGViEaSM7jlZznSBzQPeJ5kPxOQhUzs3/n54Ogq9N2v+y3L0COT13F
        l3f3alNP5uyAckIpDByJ29Kyn7m40gdN6fO/1PjCdX+pql6dEyiOEbJti2JNtsso
        pxlFLqKEXcSIoM9jOs05lxhjMWsHwwIDAQABAoGBbDAt0B+3tyxuY4mc+YYcPEZK
        0fMbU9TT0li5RZdHQ0s8coHxCe4wHv4I2lhzuLKkF7K0GYkeKCCiBm4ake8xyM0C
        3Vr88ePIissIY6s5TrGbbpUJ6Gq7uXw6eKfnQr2px6e93Mz10aZr66WJc7J53Mmg
        w21JZzPekWmiZntzINABAkEOi4uUA7+8WYMsWNzSB2GmmhFKgpqH8p8RWM6n3xO3
        LxalMdtpBSBW7+1O2cUtYDAo4fWcexzH4UQavAo1zbvvQQJBDDJRxR13WhTjb9Xg
        b3lu9QyB5e/e7XSq6LwFBusy4rx6VD16tu3F/B8XIP6QLGvC4saJWYQOCcnScfG0
        AcXiugMCQQ4B4VeYDKxM4ABzS6WQqkARm5lQEZXe18WS6uHL+WaumHZaf1yyLSTM
        RpNrMXKzcW3NvgUGov7zN+0vLf4GtXiBAkEK4sa1Bo3GaypsYRrGpD3ync0665Ov
        oRgCTf62pCpw0QTmN1FWAHdbhmxgWJVZ8HyrZ8SjjwfwmKAqby7Y/kRU/QJBCpEY
        m9F8q4McRXRq99QOXgX1Qy7b5kz9wEEy0Ob2Dk3h2rLEUGVkUik7qKHCe8n6UM3P
        eZJJBOP42Vw4YXQEDR0=
        -----END PRIVATE KEY-----
        """
    static let rsaPublicPKCS1 = """
        -----BEGIN RSA PUBLIC KEY-----
        MIGKAoGCALFmcY1OjSlt5XT7svQhwOLpS2CGViEaSM7jlZznSBzQPeJ5kPxOQhUz
        s3/n54Ogq9N2v+y3L0COT13Fl3f3alNP5uyAckIpDByJ29Kyn7m40gdN6fO/1PjC
        dX+pql6dEyiOEbJti2JNtssopxlFLqKEXcSIoM9jOs05lxhjMWsHwwIDAQAB
        -----END RSA PUBLIC KEY-----
        """
    static let rsaPublic = """
        -----BEGIN PUBLIC KEY-----
        MIGgMA0GCSqGSIb3DQEBAQUAA4GOADCBigKBggCxZnGNTo0pbeV0+7L0IcDi6Utg
        hlYhGkjO45Wc50gc0D3ieZD8TkIVM7N/5+eDoKvTdr/sty9Ajk9dxZd392pTT+bs
        gHJCKQwcidvSsp+5uNIHTenzv9T4wnV/qapenRMojhGybYtiTbbLKKcZRS6ihF3E
        iKDPYzrNOZcYYzFrB8MCAwEAAQ==
        -----END PUBLIC KEY-----
        """
    /// Too small, by much and by little.
    static let rsaOf512Bits = """
        -----BEGIN RSA PRIVATE KEY-----
        MIIBOwIBAAJBAKz5s/PjfU0Qe4V1IA/UasKA5hC+uGKyzbSbZ0VAIuz9KG3cDD5a
        pPShJA72ZhacgqtXqIDp3xTjPAnTkbA4yL8CAwEAAQJBAIQueO55vAnE+69bdrnC
        CCdEWwsWw05g9sL6Mmt//HB+LiKTy+WvRYFEQMndQjfElBm3DYXNkALmHCTQvu1F
        KZkCIQDhd2Vr54pKz8JA53EbLEhuA6+cY3lEEjQbRhItewLhXQIhAMRmhIm6PwUW
        XrSgfUBhRNqB8k3WTLT0iMOqUfEjSyTLAiBrUsY4YvL1QYgaFRFF+gJQO/jv3Hnw
        6SlcgjJM6+0nEQIhAJO5QIuPiQM8ljNqW4tnHjD0eNpPDBc3rv7tRwEHOOgNAiAG
        Hs0pgpE/vTDBDDJirbzjNsIWiVTRIQ5V4/2u17ijNA==
        -----END RSA PRIVATE KEY-----
        """
    static let rsaOf1016Bits = """
        -----BEGIN RSA PRIVATE KEY-----
        MIICVgIBAAKBgACpINMQIVMOEBpQm3oFrCk2leyMSKop18+h/by4rzWopKLun+Pg
        wJRcKU51v3xgrS/7nMBRNbCHHYJvuRJfW5CAW+e0JGXpd2LW1dVRWj7cxBNY+Z6k
        KNB+2F3bkAwSEfabHojO6muDOxebcljnIyvRJLZqabldSn3ScLoJq4utAgMBAAEC
        fy95Q0WX1RRxeLF/svS8qqTj2I5YJ0uvhFzYOI0uwUUhUYrh3rlL1Vk5TwjGQ0dv
        1bQu/9zL0U1b/y0VKg8SSKox+wrBy8/HbdMnuJsyu8xVtKTMeoHnCZ1s3bZ0ji9/
        w+j9iauCOsmVjxfa3Y9GuRzfJRIBeZbma81OFdjFhYECQA0j4N5YrY0VP4EROQeR
        zQH6Y+ljWmk90DgUDTgVpjMaLjpKWgHgWiZCdBBWfzb0vWpy86922eeTFZmE+ZEH
        RqkCQAzfAJcpbE0ylBMsCb09aMtZEBcCbo66FDKjNO1eY8+FkV8VReMVcnG6rNHU
        sRRDBYkJIGWw+NZntsS5KjGRM2UCQAuatNsHq3Ud37BHGntB2q+1hgi10kGA8mKj
        6qyuCdG1fD/EK8rebB6/rypCiSRqbOEWVXiO2I93SKsEUTYwG8kCQAdQKfC5m4yd
        YV8nVX1NyB5KQ4cfXZwBBHrlGqyIRiPiW3/wAV6OkBEopQswU1EU568+HUdKb4i7
        MzDBmMTDILUCQAJZcKcuQ2jvx3xvz/W9OfxObz6sdC3jdarqJSTbDTGTUBkESr1F
        uwCP9MDd1hnn7ieUnjf5o4HYKxUTHoGk4G8=
        -----END RSA PRIVATE KEY-----
        """
    /// The least exponent that is allowed, and one beyond 32 bits.
    static let rsaWithExponent3 = """
        -----BEGIN RSA PRIVATE KEY-----
        MIICWwIBAAKBgQCiJgYGfCBseQ/mwPGVda6XgErkXqyjSPqSdWtz7Lu7EaHiL0bt
        6S/HHLMPsN3oeYXMdMU6pB3OzR//LLLVcv0Dq+BWHO2nSe2fHBTmJ9qBFGbG9I8U
        ojbv9ZWGHJ60lZEq8U6cbc9Lk6TigsnJEhrX4ePLcFzQGD9t8acz6V2TlwIBAwKB
        gGwZWVmoFZ2mCpnV9mOjybpVh0LpyGzbUbb48k1IfSdhFpbKL0lGH9oTIgp16UWm
        WTL4g3xtaTSIv/9zIeOh/gFi5LdFhSi80Fuzgu34L0O0mbSGDSnHCWeIJrn5N9LZ
        CgDmKzEDByVK2N2RIAjMJ0+bEXjO9olRSlpBpCD69xPLAkEAzyVqavOR3sezzjq0
        6v8YKpQJmP/1IQ/TbWbmj7Go4LqOrHkzHc3qPHui20Gf48iFhWlT8Qr/5xooTg6l
        UyLUKQJBAMhj2MmyWE/tYcCVzEiUg1rsLpJ7YNaZATv0iJcZT29HmuuUn8t2qWbj
        803YG/wXWvPgQkjgAjc1vkEiXR3IIb8CQQCKGPGcomE/L800JyNHVLrHDVu7VU4W
        Cozzme8KdnCV0bRy+3dpM/F9p8HngRVCha5Y8OKgsf/vZsWJXxjiFzgbAkEAhZfl
        28w63/OWgGPdhbhXkfLJtvzrObtWJ/hbD2Y09NpnR7hqh6Rw70KiM+Vn/WTnTUAs
        MJVWz3kpgMGTaTAWfwJAUFWKpOunhakV8vfWNDL97ouKg5fmvaDo0OMA99BoQdUp
        X7EAx6nWuYmmh4q+VJtS5S77GeTRgmHeeIdTnCDong==
        -----END RSA PRIVATE KEY-----
        """
    static let rsaWithLongExponent = """
        -----BEGIN PRIVATE KEY-----
        MIICeQIBADANBgkqhkiG9w0BAQEFAASCAmMwggJfAgEAAoGBAKT2tibd552iB6IX
        zsdKZeuBU1OSk8CrxeTotlwlbaeW/3ka4/dAdZ8BZOuiMP7p38free3ebgryg17N
        z5g3Oupxpyz9wTwZGIiYtbRQ8ffj8xNUU5ZOJN3RrYxuf/Bp65v/fT/tmu8o8OQ3
        /hf+qkOIFTg9RgpFSV5wIb2N/rzrAgUBAAAAAQKBgG9/v9vAjDHWylGZinHQvBwo
        VfXEvgc2k4GLTpd9NdAdRA77EpGoh6zPw1WP4Nuyar/H3YnoPdJAmC2rTtFSU/RW
        7ki3ncy3/jcKVwO8D/fvHvAsv9ptm8kVa6BMFKaAogHsry9SJdq2SDFj87dHhbzi
        +xiOtxm8976Ml+LUYSABAkEA2WnMnNVXYNfsxVOtQJUFnZJ/EQMQhx3cv5BarH2u
        dojHVIPgSo1LvkzE2tVv52y6ZXUkhhh78jAQ97WoJXFZgQJBAMI93A1aQP8ze5/j
        kzmhyE+9u5LzUPysLXLa8dfNVQGsS5QQtdJvZyGoyNk7HMbHtnglRmRews5X4614
        RVZAVGsCQQCl4ND9TmACVjF+2+YQX58kxfbUE8fa/1bVlMOhZ+xfYHT8jgBbh0hw
        ZUFugr5Pw4Nk38QembhrArxpplOqUScBAkEAqe25K1a7dl9PpJ9mF3y/j1RoR2t7
        F0tfLv0LYLATFQ2t/cee46uRetb2vCkNT96W67o/frXx6g17UygoUczULwJAMsgB
        9M4NDg2xQ1ZlE2rCcnzcvD8VgqYdHfoeIvtsjz+SEMJe04OQLXc9v93LbCGL0AlJ
        HrXoljAK4Ovt6qw9ig==
        -----END PRIVATE KEY-----
        """
    /// Encrypted with a password.
    static let encrypted = """
        -----BEGIN ENCRYPTED PRIVATE KEY-----
        MIIC3TBXBgkqhkiG9w0BBQ0wSjApBgkqhkiG9w0BBQwwHAQIffrdVr4aoVECAggA
        MAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAEqBBAMl/tLUIhhC0tmI6Nz+NXxBIIC
        gLx4lOpShjwssUPiyUwe5wOqc9GE3yPC2JTTnYw21mt5+JXQhcVp7hwMWGIL6zEV
        cz5+okdox+kcIpTKGZA91VFj1cSaMi4T/rBd82OA4upDYyR6j+Xm7+TGOj+UWrm1
        zW/L015S9sSzBUHDCPCs2RMjn0HHHepJglJF8v6daS8Ioy13q2FK2YieXWDxt6qX
        T2C9lyRHzQOST7weOd0+5+ra4A/Z4TgVOamVMgYoWbr+LYnj/CaVhrSU06bcuVtt
        MyNjPuMjCgs3j0O1w/zn7fDRE54zz9N82pdFDJAQE+FR2LqpPnvsg1jKUXdA/V4S
        jnAOXk8EcMaAKRJC6ZT3tUkb5IJeFzrC8yIuKHrvRYQT6qXvVoOmlq4YSTXJ8D5G
        gj8fq3PX56pp01J5JwJwHbNfgC20NO+nYSWtj1cQyLyzBXZrKEUEsZ1oVpHg1G6R
        dlvqvwUDTqinsuNGz6MpBMiJkXLErO1sd08y9u1jNBZScXuj+PXvG43ZodYjNm0K
        Pc3Zvfz2Ggf2vFVDoig1HL2HGhdajkLcmRaDTIzWuttTlJqCKltwv7LvcFSC/u32
        agKXJOdJcHjjeJt8FgFHFk52LyOiGZeU6Og5BSeNGF0gRdxdXnxwIQgxccZxltw8
        k9AhiM2sZ9OEpwyFz9N37pvjO+e1tvbUmF0QCJFcIztMFGsm9EMotOe4G0ZD4eg2
        qI7VPE64C/mgi0EDJdbAy9gUOfB6mYuouRrt8G+7Q/Tg84Si8c2d5+yU4145TIbG
        RbKlf6MAjQP9qyEyJ0+/r4Gf3F062DqFtxCUjzW7OEEpAfjmdlOf7eyg2hyj/EZG
        2IelMVGOt6/uW3WJ88XltaQ=
        -----END ENCRYPTED PRIVATE KEY-----
        """
    /// A key on secp256k1 in SEC1, PKCS#8, and its public half, whole and compressed.
    static let ecc = """
        -----BEGIN EC PRIVATE KEY-----
        MHQCAQEEIOK63V/ZMd09MMPVMfTS+bP95x0GbvBb/V0D8Jwd0FWUoAcGBSuBBAAK
        oUQDQgAEgi/zb8QogYp2/0Wh1LRXYQMSR9V57zAL3TRh8UDISq0AaZvHgM3RjLAC
        o12JIX6rh8SHMDEvub9blwyd6ikv9A==
        -----END EC PRIVATE KEY-----
        """
    static let eccPKCS8 = """
        -----BEGIN PRIVATE KEY-----
        MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQg4rrdX9kx3T0ww9Ux9NL5
        s/3nHQZu8Fv9XQPwnB3QVZShRANCAASCL/NvxCiBinb/RaHUtFdhAxJH1XnvMAvd
        NGHxQMhKrQBpm8eAzdGMsAKjXYkhfquHxIcwMS+5v1uXDJ3qKS/0
        -----END PRIVATE KEY-----
        """
    static let eccPublic = """
        -----BEGIN PUBLIC KEY-----
        MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEgi/zb8QogYp2/0Wh1LRXYQMSR9V57zAL
        3TRh8UDISq0AaZvHgM3RjLACo12JIX6rh8SHMDEvub9blwyd6ikv9A==
        -----END PUBLIC KEY-----
        """
    static let eccPublicCompressed = """
        -----BEGIN PUBLIC KEY-----
        MDYwEAYHKoZIzj0CAQYFK4EEAAoDIgACgi/zb8QogYp2/0Wh1LRXYQMSR9V57zAL
        3TRh8UDISq0=
        -----END PUBLIC KEY-----
        """
    /// A key on another curve.
    static let p256 = """
        -----BEGIN EC PRIVATE KEY-----
        MHcCAQEEIGwRZC7zb0kJ/hqDjHYoyLYtEE4TMHOFW0YUZkgAHQDDoAoGCCqGSM49
        AwEHoUQDQgAE4QBbN+osNpNdTU1BBQt+PxAkhii5z/sRs9z+HEuqsOzPwKSwL7Ut
        UzllbnRC9OXigfQJCCiW+zgowIKwbkcpCg==
        -----END EC PRIVATE KEY-----
        """
    static let p256Public = """
        -----BEGIN PUBLIC KEY-----
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE4QBbN+osNpNdTU1BBQt+PxAkhii5
        z/sRs9z+HEuqsOzPwKSwL7UtUzllbnRC9OXigfQJCCiW+zgowIKwbkcpCg==
        -----END PUBLIC KEY-----
        """
}
