// Meters written by others: `wattproof read` against a DL/T 645 meter and a Modbus slave in Python, well-behaved and not.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { cliAsync, onEnd, ROOT, systemTest } from './lib.mjs'

const ENERGY = ['--item', 'active-import-total']

/** Starts a Python meter, gives its port to the body, and ends it. */
async function withMeter(program, setting, body) {
  const child = spawn('python3', ['-B', join(ROOT, 'test/outside', program), JSON.stringify(setting)], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  onEnd(() => child.kill('SIGKILL'))
  const { port } = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', line => resolve(JSON.parse(line)))
    child.once('exit', code => reject(new Error(`${program} ended with ${code}`)))
  })
  try {
    return await body(port)
  } finally {
    child.removeAllListeners('exit')
    child.kill('SIGKILL')
  }
}

const read = (program, setting, args) =>
  withMeter(program, setting, port => cliAsync(['read', '--json', '--port', port, ...args]))

const dlt = (mode, args = ENERGY, setting = {}) =>
  read('meter645.py', { mode, ...setting }, ['--address', '000012345678', ...args])
const modbus = (mode, args = [...ENERGY, '--item', 'voltage-a'], setting = {}) =>
  read('slave.py', { mode, ...setting }, [
    '--protocol',
    'modbus',
    '--address',
    '1',
    '--profile',
    'eastron-sdm630',
    ...args
  ])

/** "item=value unit" of every item. */
const values = run => run.json().items.map(one => `${one.item}=${one.value}${one.unit && ` ${one.unit}`}`)

await systemTest('outside-meters', async test => {
  /** these details are documents: shown only where one is wrong */
  const check = (what, holds, detail = '') => test.check(what, holds, holds ? '' : detail)
  const jobs = []
  const slots = 5
  let running = 0
  const waiting = []
  /** A few at a time: most of a read is waiting. */
  const job = body => {
    jobs.push(
      (async () => {
        while (running >= slots) await new Promise(resolve => waiting.push(resolve))
        running++
        try {
          await body()
        } finally {
          running--
          waiting.shift()?.()
        }
      })()
    )
  }

  job(async () => {
    const run = await dlt('plain', ['--item', 'energy'])
    const document = run.json()
    check('the JSON is the contract’s', Object.keys(document).join() === 'address,protocol,items,errors')
    check('of each item too', Object.keys(document.items[0]).join() === 'item,obis,value,unit,raw,origin')
    check('nothing else is said', run.code === 0 && run.err === '', run.err)
    check(
      'energy',
      values(run)[0] === 'active-import-total=12345.67 kWh' && document.items[0].obis === '1-0:1.8.0'
    )
  })
  job(async () => {
    const run = await dlt('plain', [])
    const all = values(run)
    const expected = [
      'current-b=-4.987 A',
      'power-active-b=-0.9876 kW',
      'power-factor-b=-0.980',
      'frequency=49.98 Hz',
      'active-export-total=43.21 kWh',
      'voltage-c=231.2 V'
    ]
    check('the standard set', run.code === 0 && expected.every(one => all.includes(one)), all.join(', '))
  })
  job(async () => {
    const run = await dlt('plain', [
      '--di',
      '00010000',
      '--di',
      '04000404',
      '--di',
      '01010000',
      '--di',
      '0A0B0C0D'
    ])
    const { items, errors } = run.json()
    check('identifiers as they are', items[0].value === '12345.67' && items[0].obis === '1-0:1.8.0', run.out)
    check(
      'text',
      items.some(one => one.item === 'di:04000404' && one.value === '220V'),
      run.out
    )
    check(
      'a refused one is in the errors',
      run.code === 1 && errors[0]?.kind === 'refused' && errors[0].code === '02'
    )
  })
  for (const mode of [
    'echo',
    'noise-before',
    'zeros-around',
    'junk-behind',
    'doubled-start',
    'bad-checksum-once',
    'late-once',
    'trickle'
  ]) {
    job(async () => {
      const run = await dlt(mode)
      check(
        `dlt645 ${mode}`,
        run.code === 0 && values(run)[0] === 'active-import-total=12345.67 kWh',
        run.err
      )
    })
  }
  for (const setting of [{ fe: 0 }, { fe: 1 }, { fe: 8 }, { delayMs: 500 }, { delayMs: 800 }]) {
    job(async () => {
      const run = await dlt('plain', ENERGY, setting)
      check(`dlt645 ${JSON.stringify(setting)}`, run.code === 0 && values(run).length === 1, run.err)
    })
  }
  for (const mode of ['no-blocks', 'in-parts']) {
    job(async () => {
      const run = await dlt(mode, ['--item', 'energy', '--item', 'voltage-b'])
      check(`dlt645 ${mode}`, run.code === 0 && values(run).includes('voltage-b=229.5 V'), run.err)
    })
  }
  job(async () => {
    const run = await dlt('one-phase', ['--item', 'voltage-a', '--item', 'voltage-b'])
    check(
      'an absent phase has no value',
      values(run).join() === 'voltage-a=230.1 V,voltage-b=null V',
      run.out
    )
  })
  job(async () => {
    const run = await read('meter645.py', {}, ['--address', 'AAAAAAAAAAAA', ...ENERGY])
    check('asked as any, shown as itself', run.code === 0 && run.json().address === '000012345678')
  })
  job(async () => {
    const run = await dlt('plain', ENERGY, { edition: '1997', baud: 1200 })
    check('a 1997 meter asked as one of 2007', values(run)[0] === 'active-import-total=12345.67 kWh', run.err)
  })
  for (const [mode, code, detail] of [
    ['mute', 'READ_SILENT', /no octet/],
    ['wrong-item', 'READ_GARBAGE', /another question \(0002/],
    ['wrong-meter', 'READ_GARBAGE', /a frame of meter 000012345679/],
    ['bad-checksum', 'READ_GARBAGE', /checksum/],
    ['cut-short', 'READ_GARBAGE', /ends early/],
    ['only-noise', 'READ_GARBAGE', /no frame/]
  ]) {
    job(async () => {
      const run = await dlt(mode)
      const { items, errors } = run.json()
      const { error } = JSON.parse(run.err)
      check(`dlt645 ${mode}`, run.code === 3 && items.length === 0 && detail.test(errors[0].detail), run.out)
      check(`dlt645 ${mode}: what to do next`, error.code === code && error.next.length > 10, run.err)
    })
  }

  job(async () => {
    const run = await modbus('plain', [])
    const all = values(run)
    const expected = [
      'active-import-total=12345.67 kWh',
      'power-active-c=-1.15025 kW',
      'active-import-t1=null kWh'
    ]
    check(
      'modbus: the standard set',
      run.code === 0 && expected.every(one => all.includes(one)),
      all.join(', ')
    )
  })
  job(async () => {
    const run = await modbus('plain', ['--reg', '4:0x0048:2', '--reg', '4:0x0300:2'])
    const { items, errors } = run.json()
    check('modbus: bare registers', items[0].raw === '4640e6ae' && run.code === 1, run.out)
    check('modbus: a refused one is in the errors', errors[0]?.kind === 'refused' && errors[0].code === '02')
  })
  for (const mode of [
    'echo',
    'noise-before',
    'zeros-around',
    'late-once',
    'no-blocks',
    'in-pieces',
    'busy-once'
  ]) {
    job(async () => {
      const run = await modbus(mode)
      check(
        `modbus ${mode}`,
        run.code === 0 && values(run).join() === 'active-import-total=12345.67 kWh,voltage-a=230.5 V',
        run.out
      )
    })
  }
  for (const [mode, code] of [
    ['mute', 'READ_SILENT'],
    ['wrong-unit', 'READ_SILENT'],
    ['short', 'READ_SILENT'],
    ['bad-crc', 'READ_GARBAGE'],
    ['only-noise', 'READ_GARBAGE']
  ]) {
    job(async () => {
      const run = await modbus(mode)
      check(`modbus ${mode}`, run.code === 3 && JSON.parse(run.err).error.code === code, run.err)
    })
  }
  await Promise.all(jobs)
})
