import { readFileSync } from 'node:fs'
import t from 'tap'
import {
  listProfiles,
  loadProfile,
  parseProfile,
  profileNames
} from '../../drivers/meters/modbus-profiles.ts'
import { itemByKey } from '../../proto/items.ts'
import { BYTE_ORDERS, type ByteOrder } from '../../proto/modbus/byte-order.ts'
import { encodeItem } from '../../proto/modbus/encode-item.ts'
import { replayGolden } from '../../proto/modbus/golden.ts'
import { judgeProfile, rankVerdicts } from '../../proto/modbus/identify.ts'
import { readItem } from '../../proto/modbus/item-value.ts'
import { CHECKED_ITEMS, checkPlausibility } from '../../proto/modbus/plausibility.ts'
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

/** What a healthy three-phase meter under load says, in the catalogue's exponents. */
const LIVE: Readonly<Record<string, number>> = {
  'voltage-a': 23041,
  'voltage-b': 22987,
  'voltage-c': 23110,
  'voltage-ab': 39870,
  'current-a': 32000,
  'current-b': 15000,
  'current-c': 41000,
  'power-active-total': 193_000,
  'power-active-a': 70_000,
  'power-active-b': 32_800,
  'power-active-c': 90_200,
  'power-factor-total': 9500,
  'power-factor-a': 9500,
  'power-factor-b': 9500,
  'power-factor-c': 9500,
  frequency: 50_020,
  'active-import-total': 12_345_600
}
const SINGLE = { ...LIVE, 'power-active-total': 70_000 }

/** The registers of a live meter made by that profile, its values in another order when one is given. */
function liveImage(
  profileName: string,
  order?: ByteOrder,
  words: Record<number, number> = {}
): RegisterImage {
  const profile = loadProfile(profileName)
  const image = new RegisterImage()
  for (const table of [3, 4] as const)
    for (let at = 0; at < 0x6100; at++) image.put(table, at, Uint8Array.of(0, 0))
  const values = profile.registers.some(register => register.item.key === 'voltage-b') ? LIVE : SINGLE
  for (const register of profile.registers) {
    const value = values[register.item.key as keyof typeof values]
    if (value === undefined) continue
    const made = order === undefined ? register : { ...register, spec: { ...register.spec, order } }
    for (const { span, octets } of encodeItem(made, value)) image.put(span.function, span.address, octets)
  }
  for (const [address, word] of Object.entries(words))
    image.put(3, Number(address), Uint8Array.of(word >> 8, word & 255))
  return image
}

t.test('each profile fits its own meter, and the order of a meter is found', async t => {
  for (const name of profileNames()) {
    const profile = loadProfile(name)
    const marks = Object.fromEntries(profile.marks.map(mark => [mark.span.address, mark.min ?? 1]))
    const verdict = judgeProfile(profile, liveImage(name, undefined, marks))
    t.ok(verdict.holds, `${name}: ${verdict.why}`)
    if (!profile.registers.some(register => register.item.key === 'voltage-a' && register.span.count > 1))
      continue
    for (const order of BYTE_ORDERS) {
      const got = judgeProfile(profile, liveImage(name, order, marks))
      t.equal(got.fits, order, `${name} in ${order}: ${got.why}`)
      t.equal(got.holds, order === profile.order, name)
    }
  }
})

t.test('relatives with other maps are told apart', async t => {
  const chint = profileNames().filter(name => /chint|sungrow/.test(name))
  const best = (live: string, words: Record<number, number> = {}, names = chint) => {
    const image = liveImage(live, undefined, words)
    return rankVerdicts(names.map(name => judgeProfile(loadProfile(name), image))).filter(
      verdict => verdict.holds
    )
  }
  const namesOf = (verdicts: readonly { readonly profile: string }[]) =>
    verdicts.map(verdict => verdict.profile)
  t.same(namesOf(best('chint-dtsu666-c', { 45: 12, 46: 3 })), ['chint-dtsu666-c'])
  t.same(namesOf(best('chint-dtsu666-a', { 12: 0, 44: 6, 45: 3, 46: 12 })), ['chint-dtsu666-a'])
  t.same(
    namesOf(best('chint-dtsu666-b', { 12: 0, 44: 3, 45: 3 })).sort(),
    ['chint-dtsu666-a', 'chint-dtsu666-b'],
    'alike but for the side'
  )
  t.same(namesOf(best('chint-ddsu666', { 5: 2 })), ['chint-ddsu666'])
  t.same(namesOf(best('sungrow-dtsu666-20')), ['sungrow-dtsu666-20'])
  t.same(namesOf(best('sungrow-dtsu666-20-v2')), ['sungrow-dtsu666-20-v2'])
  const gavazzi = ['carlo-gavazzi-em24', 'carlo-gavazzi-em340']
  t.same(namesOf(best('carlo-gavazzi-em340', {}, gavazzi)), ['carlo-gavazzi-em340'])
  t.same(namesOf(best('carlo-gavazzi-em24', {}, gavazzi)), ['carlo-gavazzi-em24'])
  const wrong = judgeProfile(loadProfile('chint-dtsu666-c'), liveImage('chint-dtsu666-a'))
  t.equal(wrong.fits, null)
  t.match(wrong.why, /voltage-a 2304\.1 V is not in 80\.\.500/)
  t.match(judgeProfile(loadProfile('eastron-sdm630'), new RegisterImage()), {
    fits: null,
    why: /nothing can be said/
  })
})

t.test('plausibility', async t => {
  const verdictOf = (values: Record<string, number>, item: string) =>
    checkPlausibility(new Map(Object.entries(values))).find(check => check.item === item)
  t.match(verdictOf({ 'voltage-b': 0 }, 'voltage-b'), { plausible: null })
  t.match(verdictOf({ frequency: 0 }, 'frequency'), { plausible: false })
  t.match(verdictOf({ 'power-factor-total': 1e-40 }, 'power-factor-total'), { plausible: false })
  const load = { 'voltage-a': 230, 'current-a': 10 }
  t.match(verdictOf({ ...load, 'power-active-a': 2.1 }, 'power-active-a'), { plausible: null })
  t.match(verdictOf({ ...load, 'power-active-a': 2.1, 'power-factor-a': -0.93 }, 'power-active-a'), {
    plausible: true
  })
  t.match(verdictOf({ ...load, 'power-active-a': 2100 }, 'power-active-a'), {
    plausible: false,
    why: /more than/
  })
  t.match(
    verdictOf({ ...load, 'power-active-total': 0.0021, 'power-factor-total': 0.93 }, 'power-active-total'),
    { plausible: false, why: /does not agree/ }
  )
  t.match(verdictOf({ 'voltage-a': 230, 'current-a': 0, 'power-active-a': 0 }, 'power-active-a'), {
    plausible: null
  })
  for (const key of CHECKED_ITEMS) t.ok(itemByKey(key))
})
