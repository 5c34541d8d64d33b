/** Published examples that a backend must reproduce before it is used. Octets in hexadecimal. */
export const KNOWN_ANSWERS = {
  /** GB/T 32905-2016 A.1 */
  sm3: {
    message: '616263',
    digest: '66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0'
  },
  /** FIPS 180-4, "abc" */
  sha256: {
    message: '616263',
    digest: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
  },
  /** GB/T 32907-2016 A.1 */
  sm4: {
    key: '0123456789abcdeffedcba9876543210',
    plain: '0123456789abcdeffedcba9876543210',
    cipher: '681edf34d206965e86b3e94f536e4246'
  },
  /** OpenSSL evpciph_sm4.txt (draft-ribose-cfrg-sm4), cut inside the third block */
  sm4Ctr: {
    key: '0123456789abcdeffedcba9876543210',
    iv: '0123456789abcdeffedcba9876543210',
    plain: 'aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccddddddddddddddddeeeeeeee',
    cipher: 'c2b4759e78ac3cf43d0852f4e8d5f9fd7256e8a5fcb65a350ee00630912e44492a0b17e1'
  },
  /** GB/T 32918.5-2017 Annex A */
  sm2: {
    privateKey: '3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8',
    publicKey:
      '0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13',
    userId: '31323334353637383132333435363738',
    message: '6d65737361676520646967657374',
    nonce: '59276e27d506861a16680f3ad9c02dccef3cc1fa3cdbe4ce6d54b80deac1bc21',
    signature:
      'f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa'
  }
} as const
