import { equalBytes } from '../../proto/bytes.ts'
import { parseAddress } from '../../proto/chain/address.ts'
import { signLegacyTransaction } from '../../proto/chain/transaction.ts'
import { ethereumAddress } from '../../proto/crypto/secp256k1.ts'

/** A signed call of the contract: same call, same nonce, same octets. */
export interface SignedCall {
  readonly chainId: bigint
  readonly from: string
  readonly nonce: bigint
  readonly raw: Uint8Array
  readonly txHash: string
}

/** What decides a transaction's octets beside its call, its chain and its nonce. */
export interface WalletOptions {
  readonly contract: string
  /** secp256k1, 32 octets */
  readonly privateKey: Uint8Array
  /** accounts before it: used as long as the registry names one of them */
  readonly earlierKeys?: readonly Uint8Array[]
  /** a first anchor with its epoch costs 160 000, a later one 55 000, an alarm 40 000; no estimate is asked for, it fails on doubt */
  readonly gasLimit?: bigint
  readonly gasPrice?: bigint
}

/** The gateway's accounts, of which the one that the registry names signs; the newest until it was asked. */
export class Wallet {
  readonly #options: WalletOptions
  #privateKey: Uint8Array
  #account: string

  constructor(options: WalletOptions) {
    this.#options = options
    this.#privateKey = options.privateKey
    this.#account = ethereumAddress(options.privateKey)
  }

  /** Address of the account that signs, checksummed. */
  get account(): string {
    return this.#account
  }

  /** Goes on with the account the registry names, so that anchoring never waits for a rotation. @returns whether it is one of ours */
  take(signer: Uint8Array): boolean {
    const { privateKey, earlierKeys = [] } = this.#options
    const key = [privateKey, ...earlierKeys].find(own =>
      equalBytes(signer, parseAddress(ethereumAddress(own)))
    )
    this.#privateKey = key ?? privateKey
    this.#account = ethereumAddress(this.#privateKey)
    return key !== undefined
  }

  /** Signs a call of the contract. @param data of the call */
  sign(data: Uint8Array, chainId: bigint, nonce: bigint): SignedCall {
    const { contract, gasLimit = 400000n, gasPrice = 0n } = this.#options
    const tx = { nonce, gasPrice, gasLimit, to: contract, value: 0n, data, chainId }
    return { chainId, nonce, ...signLegacyTransaction(tx, this.#privateKey) }
  }
}
