import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { packageRoot } from '../config/locate.ts'

const root = packageRoot()
const sources = ['agent', 'config', 'drivers', 'proto']
  .flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map(file => join(folder, file))
  )
  .filter(file => file.endsWith('.ts') && !file.endsWith('.d.ts'))
  .sort()

t.test('every source can be imported, and importing does nothing', async t => {
  const handlesBefore = process.getActiveResourcesInfo().length
  for (const file of sources) {
    if (file === join('agent', 'main.ts')) continue
    await t.resolves(import(pathToFileURL(join(root, file)).href), file)
  }
  await new Promise(resolve => setImmediate(resolve))
  t.ok(
    process.getActiveResourcesInfo().length <= handlesBefore + 2,
    'no timer, socket or file is left open by an import'
  )
})

t.test('every error code is documented, and every documented code exists', async t => {
  const declared = new Map<string, string>()
  for (const file of sources) {
    // the members of a union may have comments between them
    const text = readFileSync(join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '')
    for (const block of text.matchAll(/export type \w+Code =((?:\s*\|?\s*'[A-Z0-9_]+')+)/g)) {
      for (const code of (block[1] ?? '').matchAll(/'([A-Z0-9_]+)'/g)) declared.set(code[1] as string, file)
    }
  }
  const page = readFileSync(join(root, 'docs/errors.md'), 'utf8')
  const documented = new Set([...page.matchAll(/^\| `([A-Z0-9_]+)` \|/gm)].map(match => match[1] as string))
  t.ok(declared.size > 20)
  for (const [code, file] of declared) t.ok(documented.has(code), `docs/errors.md has ${code} (${file})`)
  for (const code of documented)
    t.ok(declared.has(code) || code === 'DEFECT', `${code} of docs/errors.md exists`)
})

t.test('the lockfile records no download addresses', async t => {
  t.notMatch(readFileSync(join(root, 'package-lock.json'), 'utf8'), /"resolved"/)
})

t.test('no source reads outside the package or names a machine', async t => {
  for (const file of sources) {
    t.notMatch(readFileSync(join(root, file), 'utf8'), /\.\.\/shared|\/work\/|\/farm\//, file)
  }
})
