import { readFileSync } from 'node:fs'
import t from 'tap'
import {
  listProfiles,
  loadProfile,
  parseProfile,
  profileNames
} from '../../drivers/meters/modbus-profiles.ts'
import { itemByKey } from '../../proto/items.ts'
import { encodeItem } from '../../proto/modbus/encode-item.ts'
import { replayGolden } from '../../proto/modbus/golden.ts'
import { readItem } from '../../proto/modbus/item-value.ts'
import { planReads, serialCosts } from '../../proto/modbus/read-plan.ts'
import { RegisterImage } from '../../proto/modbus/register-image.ts'

const SDM120 = readFileSync(
  new URL('../../config/meters/modbus/eastron-sdm120.yaml', import.meta.url),
  'utf8'
)

function faultOf(call: () => unknown): unknown {
  try {
    call()
  } catch (error) {
    return error
  }
  return 'nothing was thrown'
}

t.test('every built-in profile gives the values of its golden exchanges', async t => {
  const names = profileNames()
  t.ok(names.length >= 18, `${names.length} profiles`)
  for (const name of names) {
    const profile = loadProfile(name)
    t.equal(profile.name, name, 'the name is the file’s')
    const findings = replayGolden(profile)
    t.ok(findings.length > 0, `${name} has golden values`)
    for (const finding of findings) t.ok(finding.holds, `${name} ${JSON.stringify(finding)}`)
    // every register can be written and read back, and no two plans of the map leave a value out
    for (const register of profile.registers) {
      const value =
        { energy: 12_345_000, demand: 100_000, time: 0, instant: 5_000 }[register.item.kind as 'energy'] ?? 1
      const image = new RegisterImage()
      for (const part of encodeItem(register, value))
        image.put(part.span.function, part.span.address, part.octets)
      t.match(readItem(register, image), { kind: 'value' }, `${name} ${register.item.key}`)
    }
    const spans = profile.registers.map(register => register.span)
    const limits = { maxRegisters: profile.maxRegisters, holes: profile.holes, cuts: [] }
    const blocks = planReads(spans, serialCosts(9600, 50), limits)
    t.equal(new Set(blocks.flatMap(block => block.wants)).size, spans.length, name)
    t.ok(
      blocks.every(block => block.count <= profile.maxRegisters),
      name
    )
  }
})

t.test('the list is what the CLI shows', async t => {
  const list = listProfiles()
  t.equal(list.length, profileNames().length)
  for (const entry of list) {
    t.equal(entry.golden.holding, entry.golden.values, entry.name)
    for (const key of entry.items) t.ok(itemByKey(key), `${entry.name} ${key}`)
  }
  t.match(
    list.find(entry => entry.name === 'siemens-pac3200'),
    { side: 'primary', items: ['active-import-total', 'active-import-t1'] }
  )
})

t.test('a profile that is wrong is refused at its line and column', async t => {
  const edit = (from: string | RegExp, to: string) => SDM120.replace(from, to)
  const wrong: [string, object][] = [
    [edit('maker: Eastron', 'maker: [Eastron'), { code: 'PROFILE_SYNTAX' }],
    [edit('maker: Eastron', 'makers: Eastron'), { code: 'PROFILE_INVALID', message: /maker/ }],
    [edit('function: 4', 'function: 6'), { code: 'PROFILE_INVALID', at: /^x\.yaml:9:11/, message: /3, 4/ }],
    [edit('unit: Hz', 'unit: Hz, writable: true'), { message: /unknown key "writable"/, at: /^x\.yaml:20:/ }],
    [
      edit('item: frequency', 'item: frequenz'),
      { message: /no item is called/, at: /^x\.yaml:20:13 \/registers\/6\/item/ }
    ],
    [edit('unit: Hz', 'unit: V'), { message: /cannot become/, next: /Hz/ }],
    [edit('address: 0x0046', 'address: 0x10046'), { code: 'PROFILE_INVALID', at: /\/registers\/6\/address/ }],
    [edit(/golden:[\s\S]*/, ''), { message: /golden/ }]
  ]
  for (const [text, want] of wrong)
    t.match(
      faultOf(() => parseProfile(text, 'x.yaml')),
      want,
      JSON.stringify(want)
    )
  t.match(
    faultOf(() => loadProfile('no-such-meter')),
    { code: 'PROFILE_UNKNOWN', next: /profile list/ }
  )
  t.match(
    faultOf(() => loadProfile('../x')),
    { code: 'PROFILE_UNREADABLE' }
  )
})

t.test('a file of the user is as good as a built-in profile', async t => {
  const file = `${t.testdir({ 'mine.yaml': SDM120.replace('name: eastron-sdm120', 'name: mine') })}/mine.yaml`
  t.equal(loadProfile(file).name, 'mine')
  t.equal(loadProfile(file).registers.length, loadProfile('eastron-sdm120').registers.length)
})
