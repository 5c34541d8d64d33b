// Builds dist/: TypeScript, then the contract's artefact (ABI and bytecode) by solc.
// A production install (`npm ci --omit=dev`) has no compiler: there the dist/ that came with the package is kept.
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const require = createRequire(import.meta.url)

const resolve = name => {
  try {
    return require.resolve(name)
  } catch {
    return undefined
  }
}

const tsc = resolve('typescript/bin/tsc')
if (!tsc) {
  if (existsSync(join(root, 'dist/agent/main.js'))) process.exit(0)
  console.error('wattproof: no TypeScript compiler and no dist/: run npm ci without --omit=dev first')
  process.exit(1)
}
execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], {
  stdio: 'inherit',
  cwd: root
})
const main = join(root, 'dist/agent/main.js')
if (existsSync(main)) chmodSync(main, 0o755)

const contract = join(root, 'proto/chain/MeterAnchor.sol')
if (existsSync(contract) && resolve('solc')) {
  const solc = require('solc')
  const input = {
    language: 'Solidity',
    sources: { 'MeterAnchor.sol': { content: readFileSync(contract, 'utf8') } },
    settings: {
      // paris: no PUSH0, which FISCO BCOS and older Besu do not know
      evmVersion: 'paris',
      optimizer: { enabled: true, runs: 10000 },
      outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] } }
    }
  }
  const output = JSON.parse(solc.compile(JSON.stringify(input)))
  const errors = (output.errors ?? []).filter(e => e.severity === 'error')
  if (errors.length > 0) {
    for (const e of errors) console.error(e.formattedMessage)
    process.exit(1)
  }
  const built = output.contracts['MeterAnchor.sol'].MeterAnchor
  const folder = join(root, 'dist/contract')
  mkdirSync(folder, { recursive: true })
  const artefact = {
    compiler: solc.version(),
    evmVersion: 'paris',
    abi: built.abi,
    bytecode: `0x${built.evm.bytecode.object}`,
    deployedBytecode: `0x${built.evm.deployedBytecode.object}`
  }
  writeFileSync(join(folder, 'MeterAnchor.json'), `${JSON.stringify(artefact, null, 1)}\n`)
}
