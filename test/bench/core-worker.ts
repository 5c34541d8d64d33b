/** A side of a comparison in a process of its own: does one round for every message it gets. `core-worker.js ROLE JSON` */
import { removeNativeCryptography } from './core-portable.ts'

type Round = (argument: unknown) => unknown
const ROLES: Readonly<Record<string, (options: never) => Promise<Round>>> = {
  seal: async () => (await import('./core-seal.ts')).openSealer('node:crypto', 'pieces'),
  'seal-portable': async () => {
    removeNativeCryptography()
    return (await import('./core-seal.ts')).openSealer('sm-crypto', 'pieces')
  },
  'seal-sm-crypto': async () => {
    removeNativeCryptography()
    return (await import('./core-seal.ts')).openSealer('sm-crypto', 'peer')
  },
  loop: async options => (await import('./core-loop.ts')).openSealLoop(options),
  store: async options => (await import('./core-store-side.ts')).openBlocks(options),
  rows: async options => (await import('./core-store-side.ts')).openRows(options),
  steady: async options => (await import('./core-steady.ts')).openSteady(options)
}

const [role = '', options = '{}'] = process.argv.slice(2)
const open = ROLES[role]
if (!open) throw new Error(`no such role: ${role}`)
const round = await open(JSON.parse(options) as never)
process.on('message', async message => {
  process.send?.(await round(message))
})
process.send?.('ready')
