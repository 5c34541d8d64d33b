// What a device gets: the build stage of Dockerfile.arm64 replayed step by step without its engine, then the program run from
// what the final stage copies, and from what README packs for a device. A file that either forgets is found here.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { validate } from 'dockerfile-utils'
import { ROOT, systemTest } from './lib.mjs'

const DOCKERFILE = readFileSync(join(ROOT, 'Dockerfile.arm64'), 'utf8')

/** Instructions of the stages, continuation lines joined. */
function stagesOf(text) {
  const lines = text
    .replace(/\\\n/g, ' ')
    .split('\n')
    .filter(line => line.trim() !== '' && !line.startsWith('#'))
    .map(line => /^(\w+)\s+(.*)$/.exec(line.trim()))
    .map(([, name, rest]) => ({ name, words: rest.replace(/--mount=\S+\s*/, '').split(/\s+/), rest }))
  const stages = []
  for (const line of lines) {
    if (line.name === 'FROM') stages.push([])
    else stages.at(-1)?.push(line)
  }
  return stages
}

/** Copies as COPY does; node_modules by hard link, since `npm ci` was tested before. */
function copy(from, into, words) {
  const target = words.at(-1)
  for (const source of words.slice(0, -1)) {
    const path = join(from, source.replace(/^\/app\/?/, ''))
    if (!existsSync(path)) throw new Error(`COPY names ${source}, which is not there`)
    const to = target.endsWith('/') ? join(into, source.replace(/^\/app\/?/, '')) : join(into, target)
    cpSync(path, to, { recursive: true })
  }
}

const run = (command, args, cwd) =>
  spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 300_000, maxBuffer: 1 << 26 })

function tryProgram(check, site, what) {
  const wattproof = (...args) => run(process.execPath, ['dist/agent/main.js', ...args], site)
  const version = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version
  check(`${what}: --version`, wattproof('--version').stdout.trim() === version)
  const config = wattproof('config', 'check', '--config', 'config/gateway.example.yaml')
  check(`${what}: config check`, config.status === 0, config.stderr.slice(0, 300))
  // opens SQLite, serialport and the FFI: the parts that are not JavaScript
  const status = wattproof('keys', 'init', '--ledger', 'keys', '--json')
  check(`${what}: keys init`, status.status === 0, status.stderr.slice(0, 300))
  const read = wattproof('read', '--port', '/dev/none', '--protocol', 'dlt645', '--address', '1', '--json')
  check(`${what}: a missing port is told`, read.status === 3 && /BUS_MISSING/.test(read.stderr), read.stderr)
  const decoded = wattproof('decode', '--json', '68200051050326689107333435354C48B42016')
  check(`${what}: decode`, decoded.status === 0 && JSON.parse(decoded.stdout).di === '02020100')
}

await systemTest('image', async ({ folder, check }) => {
  const faults = validate(DOCKERFILE).map(({ message, range }) => `line ${range.start.line + 1}: ${message}`)
  check('Dockerfile.arm64 is valid', faults.length === 0, faults.join('; '))
  const [build, final] = stagesOf(DOCKERFILE).slice(-2)

  const app = join(folder, 'app')
  mkdirSync(app)
  for (const { name, words, rest } of build) {
    if (name === 'COPY') copy(ROOT, app, words)
    if (name !== 'RUN') continue
    if (/npm ci/.test(rest)) {
      const linked = run('cp', ['-al', join(ROOT, 'node_modules'), app])
      if (linked.status !== 0) run('cp', ['-a', join(ROOT, 'node_modules'), app])
      check('packages are there', existsSync(join(app, 'node_modules/typescript')))
      continue
    }
    // its binary came with the packages
    const ran = run('sh', ['-ec', rest.replace('npm rebuild better-sqlite3', 'true')], app)
    check(
      'the build stage builds',
      ran.status === 0,
      ran.status === 0 ? '' : ran.stderr.slice(-600) + ran.stdout.slice(-600)
    )
  }
  check('no package of development is left', !existsSync(join(app, 'node_modules/typescript')))

  const image = join(folder, 'image')
  mkdirSync(image)
  for (const { name, words } of final)
    if (name === 'COPY')
      copy(
        app,
        image,
        words.filter(word => !word.startsWith('--from='))
      )
  tryProgram(check, image, 'image')

  const packed = /tar -czf wattproof\.tgz ([^\n]+)/.exec(readFileSync(join(ROOT, 'README.md'), 'utf8'))?.[1]
  const device = join(folder, 'device')
  mkdirSync(device)
  for (const part of (packed ?? '').split(/\s+/)) {
    const from = existsSync(join(app, part)) ? app : ROOT
    cpSync(join(from, part), join(device, part), { recursive: true })
  }
  check('README packs the program', readdirSync(device).includes('dist'))
  tryProgram(check, device, 'device')
})
