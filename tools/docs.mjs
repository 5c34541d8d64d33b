// Brings the tables of commands in the READMEs up to date from the built program: npm run build && node tools/docs.mjs
// An optional argument names another folder than dist/ to take the program from. A test asserts that the pages are current.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const built = resolve(process.argv[2] ?? join(root, 'dist'))
if (!existsSync(join(built, 'agent/cli/verbs.js'))) {
  console.error('wattproof: there is no built program: npm run build')
  process.exit(1)
}
const load = file => import(pathToFileURL(join(built, file)).href)
const { VERBS } = await load('agent/cli/verbs.js')
const { updateCommands } = await load('agent/cli/command-table.js')

for (const [file, lang] of [
  ['README.md', 'en'],
  ['README.zh-CN.md', 'zh']
]) {
  const path = join(root, file)
  const before = readFileSync(path, 'utf8')
  const after = updateCommands(before, VERBS, lang)
  if (after !== before) writeFileSync(path, after)
  console.log(`${file}: ${after === before ? 'current' : 'brought up to date'}`)
}
