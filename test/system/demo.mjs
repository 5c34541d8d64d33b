// The demo as README gives it, and Ctrl-C in the middle of it: nothing may be left running.
import { execFileSync, spawn } from 'node:child_process'
import { MAIN, systemTest, wait } from './lib.mjs'

/** Processes of this program, its simulator, ledger and chain. */
function left() {
  const list = execFileSync('ps', ['-eo', 'pid,args'], { encoding: 'utf8' })
  return list
    .split('\n')
    .filter(line => (line.includes(MAIN) || /\banvil\b.*--port/.test(line)) && !line.includes(' ps '))
}

const run = args =>
  new Promise(resolve => {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    child.stdout.on('data', part => {
      out += part
    })
    child.stderr.on('data', part => {
      out += part
    })
    child.once('exit', (code, signal) => resolve({ code, signal, out }))
    run.last = child
  })

await systemTest('demo', async ({ check }) => {
  const before = left().length
  const startedMs = Date.now()
  const whole = await run(['demo'])
  const seconds = Math.round((Date.now() - startedMs) / 1000)
  check('exit 0 only if all held', whole.code === 0, `code ${whole.code}`)
  if (whole.code !== 0) console.log(whole.out)
  check('all points are shown as held', /all of it held/.test(whole.out) && !/✗/.test(whole.out))
  check('at most 90 s', seconds <= 90, `${seconds} s`)
  await wait(1500)
  check('nothing is left running', left().length === before, left().join(' | '))
  const interrupted = run(['demo'])
  await wait(12_000)
  run.last.kill('SIGINT')
  const cut = await interrupted
  check('what was cut off has shown nothing', cut.code === 1, `code ${cut.code}`)
  await wait(2500)
  check('Ctrl-C leaves nothing running', left().length === before, left().join(' | '))
})
