import { readFileSync } from 'node:fs'
import { fromHex } from '../../proto/bytes.ts'
import { ChainError } from './errors.ts'
import { isRecord } from './json-rpc.ts'

/** The compiled contract, as tools/build.mjs leaves it in dist/contract. */
export interface ContractArtefact {
  readonly compiler: string
  readonly abi: readonly unknown[]
  readonly bytecode: Uint8Array
}

/**
 * Reads the compiled contract that comes with the program.
 * @throws ChainError CHAIN_ARTEFACT
 */
export function loadContract(): ContractArtefact {
  // Built, this file is dist/drivers/chain/artefact.js; from source the folder is one level further away.
  const places = ['../../contract/MeterAnchor.json', '../../dist/contract/MeterAnchor.json']
  for (const place of places) {
    const text = readIfThere(new URL(place, import.meta.url))
    if (text !== undefined) return parseArtefact(text)
  }
  throw new ChainError('CHAIN_ARTEFACT', 'the compiled contract is not there', { next: 'run npm run build' })
}

function readIfThere(url: URL): string | undefined {
  try {
    return readFileSync(url, 'utf8')
  } catch {
    return undefined
  }
}

function parseArtefact(text: string): ContractArtefact {
  const value: unknown = JSON.parse(text)
  if (!isRecord(value) || !Array.isArray(value['abi']) || typeof value['bytecode'] !== 'string') {
    throw new ChainError('CHAIN_ARTEFACT', 'the compiled contract is damaged', { next: 'run npm run build' })
  }
  return { compiler: String(value['compiler']), abi: value['abi'], bytecode: fromHex(value['bytecode']) }
}
