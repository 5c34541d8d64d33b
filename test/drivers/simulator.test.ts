import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SerialPort } from 'serialport'
import t from 'tap'
import { Dlt1997Responder } from '../../drivers/simulator/dlt-1997.ts'
import { Dlt2007Responder } from '../../drivers/simulator/dlt-2007.ts'
import { DltListener, type HeardFrame } from '../../drivers/simulator/dlt-listen.ts'
import { addressOctets, dltFrame } from '../../drivers/simulator/dlt-octets.ts'
import { buildBlock } from '../../drivers/simulator/dlt-profile.ts'
import type { FaultSetting } from '../../drivers/simulator/fault-setting.ts'
import { loadSimulatorSetting, parseSimulatorSetting } from '../../drivers/simulator/load-setting.ts'
import { Meter } from '../../drivers/simulator/meter-model.ts'
import type { MeterSetting } from '../../drivers/simulator/meter-setting.ts'
import { ModbusListener } from '../../drivers/simulator/modbus-listen.ts'
import { modbusCrc, modbusFrame } from '../../drivers/simulator/modbus-octets.ts'
import { buildProfile } from '../../drivers/simulator/modbus-profile.ts'
import { encodeRegisters } from '../../drivers/simulator/modbus-registers.ts'
import { answerModbus } from '../../drivers/simulator/modbus-slave.ts'
import { loadProfile, shippedFolder } from '../../drivers/simulator/profile-file.ts'
import { loadReplay } from '../../drivers/simulator/replay.ts'
import { applyFaults } from '../../drivers/simulator/reply-faults.ts'
import { runSimulator, type SimulatorReady } from '../../drivers/simulator/run-simulator.ts'
import { type Simulator, startSimulator } from '../../drivers/simulator/simulator.ts'
import { dltReply, modbusReply } from '../../drivers/simulator/slave.ts'
import { fromHex, toHex } from '../../proto/bytes.ts'

interface Vector {
  readonly id: string
  readonly protocol: string
  readonly hex: string
}
const VECTORS: { readonly captured: readonly Vector[]; readonly profileBlocks: readonly Vector[] } =
  JSON.parse(readFileSync(new URL('../vectors/simulator-frames.json', import.meta.url), 'utf8'))

/** 2026-11-23 10:17:30 at the meters (UTC+8). */
const NOW_S = Date.UTC(2026, 10, 23, 2, 17, 30) / 1000
const OWN = '000012345678'

const meterOf = (setting: Partial<MeterSetting> = {}, slotSeconds = 900): Meter =>
  new Meter({ address: OWN, protocol: 'dlt645', ratedKva: 80, ct: '150/5', ...setting }, 'bus', {
    seed: 5,
    slotSeconds,
    utcOffsetS: 28_800,
    startedS: NOW_S
  })
const frameTo = (address: string, control: number, data: readonly number[]): HeardFrame => ({
  address: addressOctets(address),
  control,
  data,
  behind: 0
})
const low = (hex: string): number[] => [...fromHex(hex)].reverse()
const hexOf = (octets: readonly number[]): string => toHex(Uint8Array.from(octets)).toUpperCase()
/** Number of BCD octets, low first. */
const decimal = (octets: readonly number[], sign = false): number => {
  const top = (octets.at(-1) ?? 0) & 0x80
  const plain = octets.map((octet, n) => (sign && n === octets.length - 1 ? octet & 0x7f : octet))
  const value = Number(hexOf([...plain].reverse()))
  return sign && top !== 0 ? -value : value
}
/** Data of a 2007 item without its identifier; undefined when refused. */
const read = (
  meter: Meter,
  name: string,
  more: readonly number[] = [],
  atS = NOW_S
): number[] | undefined => {
  const reply = new Dlt2007Responder(meter).answer(frameTo(OWN, 0x11, [...low(name), ...more]), atS)
  return reply && (reply.control & 0x40) === 0 ? reply.data.slice(4) : undefined
}
const values = (octets: readonly number[] | undefined, size: number, sign = false): number[] =>
  Array.from({ length: (octets?.length ?? 0) / size }, (_, n) =>
    decimal((octets ?? []).slice(size * n, size * (n + 1)), sign)
  )
const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0)

t.test('own codecs agree with frames captured elsewhere', async t => {
  t.ok(VECTORS.captured.length >= 20)
  for (const { id, protocol, hex } of VECTORS.captured) {
    if (protocol === 'modbus-rtu') {
      t.equal(hexOf(modbusFrame([...fromHex(hex).subarray(0, -2)])), hex, id)
      t.equal(modbusCrc(fromHex(hex)), 0, `${id}: the sum over all is 0`)
      continue
    }
    const frames = new DltListener().feed(fromHex(`0016FE68${hex}55`))
    t.equal(frames.length, 1, id)
    const [{ address, control, data, behind } = frameTo('0', 0, [])] = frames
    t.equal(hexOf(dltFrame(address, control, data)), hex.replace(/^(FE)+/, ''), id)
    t.equal(behind, 1)
  }
  const listener = new DltListener()
  const octets = fromHex(VECTORS.captured[0]?.hex ?? '')
  t.same([...octets].flatMap(octet => listener.feed(Uint8Array.of(octet))).length, 1, 'octet by octet')
  t.equal(encodeRegisters(0x11223344, 'u32', 'ABCD', 2).join(), '17,34,51,68')
  t.equal(encodeRegisters(0x11223344, 'u32', 'CDAB', 2).join(), '51,68,17,34')
  t.equal(encodeRegisters(0x11223344, 'u32', 'BADC', 2).join(), '34,17,68,51')
  t.equal(encodeRegisters(0x11223344, 'u32', 'DCBA', 2).join(), '68,51,34,17')
  t.equal(hexOf(encodeRegisters(-2, 'i64', 'ABCD', 4)), 'FFFFFFFFFFFFFFFE')
  t.equal(hexOf(encodeRegisters(12345678, 'bcd', 'ABCD', 2)), '12345678')
  t.equal(hexOf(encodeRegisters(12345678, 'mod10', 'ABCD', 2)), '04D2162E')
  t.equal(hexOf(encodeRegisters('AB', 'ascii', 'ABCD', 2)), '41420000')
  t.equal(hexOf(encodeRegisters(0x112233445566, 'u48', 'ABCD', 3)), '112233445566')
  t.equal(hexOf(encodeRegisters(1.5, 'f64', 'ABCD', 4)), '3FF8000000000000')
})

t.test('registers grow with power and add up to the last count', async t => {
  const meter = meterOf()
  const again = meterOf()
  let before = 0
  for (let n = 0; n < 300; n++) {
    const at = NOW_S + 61 * n * n
    const total = meter.energy.count('active-import', 0, at)
    t.ok(total >= before, 'only grows')
    before = total
    t.equal(sum([1, 2, 3, 4].map(k => meter.energy.count('active-import', k, at))), total)
    t.equal(sum(([0, 1, 2] as const).map(p => meter.energy.phaseCount('active-import', p, at))), total)
  }
  t.equal(again.energy.count('active-import', 0, NOW_S), meter.energy.count('active-import', 0, NOW_S))
  for (const factor of [1, 3]) {
    const loaded = meterOf({ spike: [{ at: '2026-11-23T10:30:00+08:00', slots: 1, factor }] })
    let mean = 0
    for (let s = 0; s < 900; s++) mean += loaded.curve.powerKw(NOW_S + 750 + s + 0.5) / 900
    const counts =
      loaded.energy.count('active-import', 0, NOW_S + 1650, 1000) -
      loaded.energy.count('active-import', 0, NOW_S + 750, 1000)
    t.ok(Math.abs(counts - mean * 250) < 2, `${counts} counts of 1 Wh for ${mean} kW`)
  }
  const now = meter.instant(NOW_S)
  t.equal(sum(now.active.slice(1)), now.active[0])
  const va = sum([0, 1, 2].map(n => ((now.voltage[n] ?? 0) * (now.current[n] ?? 0)) / 1000))
  t.ok(Math.abs(va - (now.apparent[0] ?? 0)) < 5, 'U x I is the apparent power')
  const generator = meterOf({ loadKw: -10 })
  t.ok((generator.instant(NOW_S).active[0] ?? 0) < 0)
  t.equal(generator.energy.count('active-import', 0, NOW_S), 0)
  t.ok(generator.energy.count('active-export', 0, NOW_S) > 0)
  t.equal(
    meterOf({ installed: '2026-12-01', loadKw: 5 }).energy.count('active-import', 0, NOW_S),
    meterOf({ installed: '2026-12-01', loadKw: 9 }).energy.count('active-import', 0, NOW_S),
    'nothing counted before installation'
  )
  const slots = meterOf({ spike: [{ afterSlots: 2, slots: 1, factor: 4 }] }, 5)
  const start = Math.floor(NOW_S / 5) * 5 + 10
  t.ok(slots.curve.powerKw(start + 1) > 3 * slots.curve.powerKw(start - 1))
})

t.test('DL/T 645-2007: items', async t => {
  const meter = meterOf({ registerCt: 40, events: { '03300D00': 2 }, statusWords: { 4: '0101' } })
  const block = values(read(meter, '0001FF00'), 4)
  t.equal(block.length, 5)
  t.equal(sum(block.slice(1)), block[0])
  t.equal(decimal(read(meter, '00010000') ?? []), block[0])
  t.same(read(meter, '00000000'), read(meter, '00010000'), 'combined is forward plus reverse')
  t.equal(sum(['00150000', '00290000', '003D0000'].map(name => decimal(read(meter, name) ?? []))), block[0])
  const settled = values(read(meter, '000100FF'), 4)
  t.equal(settled.length, 13)
  t.ok(settled.every((value, n) => n === 0 || value <= (settled[n - 1] ?? 0)))
  t.equal(read(meter, '00FF0000')?.length, 11 * 4)
  t.equal(read(meter, '0101FF00')?.length, 40)
  t.match(hexOf(read(meter, '01010001') ?? []), /^.{6}.{4}..(10|11)26$/, 'settled in October')
  for (const [name, size] of Object.entries({
    '0201FF00': 6,
    '0202FF00': 9,
    '0203FF00': 12,
    '0204FF00': 12,
    '0205FF00': 12,
    '0206FF00': 8,
    '0207FF00': 6,
    '02010100': 2,
    '02060000': 2,
    '02800001': 3,
    '02800002': 2,
    '02800004': 3,
    '02800007': 2,
    '0280000A': 4,
    '020A01FF': 42,
    '020B0303': 2,
    '04000101': 4,
    '0400010C': 7,
    '04000409': 3,
    '0400040D': 16,
    '040005FF': 14,
    '04000901': 1,
    '04000A05': 2,
    '04010001': 42,
    '03110000': 3,
    '03110001': 12,
    '03010000': 18,
    '03010101': 131,
    '03050000': 6,
    '03300D00': 3,
    '03300E01': 60,
    '03350000': 3,
    '1D000001': 3,
    '05060001': 5,
    '05060101': 20,
    '05060901': 40,
    '05061001': 24,
    '0504FF01': 13,
    '05040105': 4,
    '00900100': undefined,
    '07000000': undefined,
    '00010500': undefined,
    '05070001': undefined,
    '02060500': undefined
  }))
    t.equal(read(meter, name)?.length, size, name)
  t.equal(decimal(read(meter, '04000306') ?? []), 40)
  t.equal(decimal(read(meter, '04000307') ?? []), 1)
  t.equal(hexOf(read(meter, '04000401') ?? []), '785634120000')
  t.equal(hexOf(read(meter, '04000101') ?? []), '01231126')
  t.equal(hexOf(read(meter, '04000102') ?? []), '301710')
  t.equal(hexOf(read(meter, '04000504') ?? []), '0101')
  t.equal(decimal(read(meter, '03300D00') ?? []), 2)
  t.equal(hexOf(read(meter, '05060001') ?? []), '0000231126')
  t.ok(values(read(meter, '05060101'), 4)[0]! < block[0]!)
  const signed = values(read(meterOf({ loadKw: -10 }), '0203FF00'), 3, true)
  t.ok(signed.every(value => value < 0))
  t.equal(sum(signed.slice(1)), signed[0])
  const quirky = meterOf({ phases: 1, faults: { longVoltage: true, blockTail: true, refuse: ['0203****'] } })
  t.match(hexOf(read(quirky, '0202FF00') ?? []), /^.{6}F{12}AA$/)
  t.equal(read(quirky, '02010100')?.length, 3)
  t.equal(read(quirky, '02030000'), undefined)
})

t.test('DL/T 645-2007: who answers what', async t => {
  const meter = meterOf()
  const side = new Dlt2007Responder(meter)
  const ask = (control: number, data: readonly number[] = [], address = OWN) =>
    side.answer(frameTo(address, control, data), NOW_S)
  t.equal(ask(0x11, low('00010000'), '000012345679'), undefined)
  t.equal(ask(0x91, low('00010000')), undefined, 'a reply is not a request')
  t.equal(side.answer({ ...frameTo(OWN, 0x13, []), address: new Array(6).fill(0xaa) }, NOW_S)?.control, 0x93)
  t.equal(side.answer({ ...frameTo(OWN, 0x14, []), address: new Array(6).fill(0xaa) }, NOW_S), undefined)
  t.equal(
    side.answer(
      { ...frameTo(OWN, 0x11, low('00010000')), address: [0x78, 0x56, 0xaa, 0xaa, 0xaa, 0xaa] },
      NOW_S
    )?.control,
    0x91
  )
  t.equal(
    side.answer(
      { ...frameTo(OWN, 0x11, low('00010000')), address: [0x79, 0x56, 0xaa, 0xaa, 0xaa, 0xaa] },
      NOW_S
    ),
    undefined
  )
  t.same(ask(0x11, low('00990000')), { control: 0xd1, data: [0x02] })
  for (const write of [0x14, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1d])
    t.same(ask(write, [0]), { control: 0xc0 | write, data: [4] })
  t.equal(ask(0x1c, [0])?.data.length, 2)
  for (const unknown of [0x01, 0x02, 0x15, 0x1e]) t.equal(ask(unknown, [0, 0]), undefined)
  t.equal(ask(0x16, [0x99, 0x99, 0x99, 0x99])?.control, 0x96)
  t.equal(hexOf(read(meter, '05010001') ?? []), '1710231126', 'frozen when told')
  const slow = meterOf({ faults: { clockOffS: -120 } })
  const listener = new Dlt2007Responder(slow)
  const set = (hex: string): void =>
    void listener.answer(frameTo('999999999999', 0x08, [...fromHex(hex)]), NOW_S)
  t.equal(Math.round(slow.clock.errorAt(NOW_S)), -120)
  set('300010231126')
  t.equal(Math.round(slow.clock.errorAt(NOW_S)), -120, 'over five minutes off: ignored')
  set('301710231126')
  t.equal(Math.round(slow.clock.errorAt(NOW_S)), 0)
  set('001810231126')
  t.equal(Math.round(slow.clock.errorAt(NOW_S)), 0, 'once a day')
})

t.test('DL/T 645-2007: follow-up', async t => {
  const side = new Dlt2007Responder(meterOf({ tariffs: 63, frameData: 105 }))
  const ask = (control: number, data: readonly number[]) => side.answer(frameTo(OWN, control, data), NOW_S)
  const name = low('0001FF00')
  const first = ask(0x11, name)
  t.same(
    [first?.control, first?.data.length],
    [0xb1, 104],
    'as the chain of the reference: 100, 100 and 56 octets'
  )
  const second = ask(0x12, [...name, 1])
  t.same([second?.control, second?.data.length, second?.data.at(-1)], [0xb2, 105, 1])
  t.same(ask(0x12, [...name, 1]), second, 'a repeat brings the same part')
  const third = ask(0x12, [...name, 2])
  t.same([third?.control, third?.data.length, third?.data.at(-1)], [0x92, 61, 2])
  t.same(ask(0x12, [...name, 9]), { control: 0xd2, data: [2] })
  t.same(ask(0x12, [...name, 1]), { control: 0xd2, data: [2] }, 'all over after a wrong number')
  ask(0x11, name)
  ask(0x11, low('00010000'))
  t.same(ask(0x12, [...name, 1]), { control: 0xd2, data: [2] }, 'another request in between ends it')
  t.equal(
    new Dlt2007Responder(meterOf({ events: { '03300500': 1 } })).answer(
      frameTo(OWN, 0x11, low('03300501')),
      NOW_S
    )?.control,
    0xb1
  )
})

t.test('load profile: layout of the published blocks, places, holes and damage', async t => {
  for (const { id, hex } of VECTORS.profileBlocks) {
    const [frame] = new DltListener().feed(fromHex(hex))
    const block = frame?.data.slice(4) ?? []
    const cls = Number(frame?.data[2])
    const local =
      Date.UTC(2026, 10, decimal(block.slice(5, 6)), decimal(block.slice(4, 5)), decimal(block.slice(3, 4))) /
      1000
    const ours = buildBlock(meterOf({ phases: 1 }), local, [cls], NOW_S)
    t.equal(ours.length, block.length, id)
    t.equal(hexOf(ours.slice(0, 8)), hexOf(block.slice(0, 8)), `${id}: head, length and stamp`)
    t.equal(ours.at(-1), 0xe5)
    t.equal(sum(ours.slice(0, -2)) & 0xff, ours.at(-2))
    t.same(
      ours.map((octet, n) => (n > 7 && octet === 0xaa ? n : -1)).filter(n => n > 0),
      block.map((octet, n) => (n > 7 && octet === 0xaa ? n : -1)).filter(n => n > 0),
      `${id}: separators`
    )
  }
  const meter = meterOf({ loadProfile: { days: 2 } })
  for (const [cls, size] of [33, 40, 24, 32, 32, 22].entries())
    t.equal(read(meter, `060${cls + 1}0002`, [1])?.length, size)
  t.equal(read(meter, '06000002', [1])?.length, 103)
  const latest = read(meter, '06040002', [3]) ?? []
  t.same(
    [0, 32, 64].map(at => hexOf(latest.slice(at + 3, at + 8))),
    ['4509231126', '0010231126', '1510231126']
  )
  t.equal(decimal(latest.slice(64 + 11, 64 + 15)), meter.energy.count('active-import', 0, NOW_S - 150))
  t.equal(hexOf((read(meter, '06040000', [1]) ?? []).slice(3, 8)), '1510211126', 'earliest')
  const from = (hex: string, of = meter): number[] | undefined => read(of, '06040001', [...fromHex(hex)])
  t.equal(hexOf((from('012009231126') ?? []).slice(3, 8)), '3009231126', 'rounded up to the grid')
  t.equal(from('060010231126')?.length, 64, 'no more than there is')
  t.same(from('013010231126'), [], 'nothing there, line fine')
  t.equal(from('013010231126', meterOf({ faults: { emptyRefused: true } })), undefined)
  t.equal(from('010010231126', meterOf({ faults: { noLoadProfile: true } })), undefined)
  const holed = meterOf({ faults: { profileHoles: 0.3 } })
  const stamps = new Set<string>()
  for (let at = 0; at < 6 * 32; at += 32)
    stamps.add(hexOf((from('060000231126', holed) ?? []).slice(at + 3, at + 8)))
  t.equal(stamps.size, 6, 'jumps over holes')
  const hurt = meterOf({ faults: { damagedBlocks: 0.5 } })
  const side = new Dlt2007Responder(hurt)
  const good = (block: readonly number[]) =>
    block[0] === 0xa0 && block.at(-1) === 0xe5 && (sum(block.slice(0, -2)) & 0xff) === block.at(-2)
  const verdicts = Array.from({ length: 24 }, () =>
    good((side.answer(frameTo(OWN, 0x11, [...low('06040002'), 1]), NOW_S)?.data ?? []).slice(4))
  )
  t.ok(verdicts.includes(true) && verdicts.includes(false), 'asking again may bring it whole')
  const minute = meterOf({}, 5)
  t.same(
    [0, 32].map(at => hexOf((read(minute, '06040002', [2]) ?? []).slice(at + 3, at + 5))),
    ['1610', '1710'],
    'slots of seconds have a record each minute: a stamp cannot tell more'
  )
})

t.test('DL/T 645-1997', async t => {
  const meter = meterOf({ protocol: 'dlt645-1997' })
  const side = new Dlt1997Responder(meter)
  const ask = (control: number, data: readonly number[], address = OWN) =>
    side.answer(frameTo(address, control, data), NOW_S)
  const item = (hex: string): number[] =>
    ask(0x01, low(hex))?.data.slice(2) ? [...(ask(0x01, low(hex))?.data.slice(2) ?? [])] : []
  const block = values(item('901F'), 4)
  t.equal(sum(block.slice(1)), block[0])
  t.equal(decimal(item('9010')), block[0])
  t.ok(decimal(item('9410')) < decimal(item('9010')), 'last month')
  for (const [name, size] of Object.entries({
    B611: 2,
    B61F: 6,
    B621: 2,
    B630: 3,
    B63F: 12,
    B640: 2,
    B650: 2,
    A010: 3,
    B010: 4,
    C010: 4,
    C011: 3,
    C032: 6,
    '9110': 4
  }))
    t.equal(item(name).length, size, name)
  t.ok(Math.abs(decimal(item('B611')) - 220) < 5, 'whole volts')
  t.same(ask(0x01, low('9999')), { control: 0xc1, data: [2] })
  t.equal(ask(0x11, low('00010000')), undefined, 'silent on codes of the later edition')
  t.equal(ask(0x13, []), undefined)
  t.equal(ask(0x01, low('9010'), '999999999999')?.control, 0x81)
  t.equal(
    side.answer({ ...frameTo(OWN, 0x01, low('9010')), address: [0x78, 0x56, 0x34, 0x12, 0xaa, 0xaa] }, NOW_S)
      ?.control,
    0x81
  )
  t.equal(ask(0x03, [])?.control, 0x83, 'says the last reply again')
  t.same(ask(0x04, [0]), { control: 0xc4, data: [4] })
})

t.test('Modbus: any profile, exceptions, holes, sentinels', async t => {
  const names = ['eastron-sdm630', 'carlo-gavazzi-em340', 'siemens-pac2200', 'chint-dtsu666-a']
  for (const name of names) t.ok(loadProfile(name, '.').values.length > 10, name)
  const meter = meterOf({ address: '3', protocol: 'modbus' })
  for (const file of readdirSync(shippedFolder('config', 'meters', 'modbus')).filter(f =>
    f.endsWith('.yaml')
  )) {
    const profile = loadProfile(file.replace(/\.yaml$/, ''), '.')
    const refused = profile.values.filter(({ function: code, address, registers }) => {
      const request = modbusFrame([3, code, address >> 8, address & 0xff, 0, registers])
      return answerModbus(meter, profile, request, NOW_S)[1] !== code
    })
    t.same(refused, [], `${file}: every register is served`)
  }
  const ask = (profile: string, octets: string, of = meter): string =>
    hexOf(answerModbus(of, loadProfile(profile, '.'), modbusFrame([...fromHex(octets)]), NOW_S))
  const f32 = (hex: string, at = 0): number => new DataView(fromHex(hex).buffer).getFloat32(3 + 4 * at)
  const counts = meter.energy.count('active-import', 0, NOW_S, 1000)
  t.ok(Math.abs(f32(ask('eastron-sdm630', '030400480002')) - counts / 1000) < 0.01)
  const volts = ask('eastron-sdm630', '030400000006')
  t.ok([0, 1, 2].every(n => Math.abs(f32(volts, n) - 220) < 5))
  t.ok(
    Math.abs(f32(ask('eastron-sdm630', '030400340002')) - (meter.instant(NOW_S).active[0] ?? 0) / 10) < 0.1,
    'W'
  )
  t.ok(f32(ask('chint-dtsu666-a', '030320060002')) > 2000, 'in 0.1 V')
  t.equal(ask('chint-dtsu666-a', '030300060001'), '0303020' + '01E', 'CT ratio 30')
  const primary = Number(
    BigInt(`0x${ask('carlo-gavazzi-em340', '030400340002').replace(/^030404(....)(....)$/, '$2$1')}`)
  )
  t.ok(Math.abs(primary - (counts * 30) / 100) < 2, 'low register first, primary side, 0.1 kWh')
  t.equal(ask('eastron-sdm630', '030300000002'), '038301')
  t.equal(ask('eastron-sdm630', '030600000002'), '038601')
  t.equal(ask('eastron-sdm630', '030400000000'), '038403')
  t.equal(ask('eastron-sdm630', '030400000051'), '038403', '80 registers at most')
  t.equal(ask('eastron-sdm630', '0304F0000002'), '038402')
  const fussy = meterOf({
    address: '3',
    protocol: 'modbus',
    holes: ['0x0002-0x0003'],
    sentinels: ['0x0004'],
    faults: { refuse: ['0x0048'] }
  })
  t.equal(ask('eastron-sdm630', '030400000006', fussy), '038402')
  t.equal(ask('eastron-sdm630', '030400480002', fussy), '038402')
  t.equal(ask('eastron-sdm630', '030400040002', fussy), '030404FFFFFFFF')
  const made = buildProfile({
    name: 'made',
    side: 'secondary',
    function: 3,
    order: 'ABCD',
    registers: [
      {
        item: 'power-active-total',
        address: 0,
        type: 'u16',
        unit: 'W',
        signBy: { address: 1, type: 'u16', negative: [1] }
      },
      {
        item: 'active-import-t1',
        address: 4,
        type: 'u32',
        scale: 0.01,
        scaleBy: { address: 3, type: 'u16', as: 'factor' }
      },
      { item: 'active-import-t2', address: 6, type: 'u32', scale: 0.01 }
    ],
    sums: [{ item: 'active-import-total', of: ['active-import-t1', 'active-import-t2'] }],
    ratio: { ct: { primary: { address: 8, type: 'u16' }, secondary: { address: 9, type: 'u16' } } },
    identify: [{ address: 10, type: 'ascii', count: 2, text: 'MADE' }]
  })
  const image = answerModbus(meter, made, modbusFrame([3, 3, 0, 0, 0, 12]), NOW_S).slice(3)
  const word = (n: number): number => ((image[2 * n] ?? 0) << 8) | (image[2 * n + 1] ?? 0)
  t.equal(word(3), 1)
  t.ok(
    Math.abs((word(4) * 65536 + word(5) + word(6) * 65536 + word(7)) * 10 - counts) < 20,
    'parts add up to the total'
  )
  t.same([word(8), word(9)], [150, 5])
  t.equal(hexOf(image.slice(20)), '4D414445')
  t.throws(() => loadProfile('no-such', '.'), { code: 'SIMULATOR_PROFILE' })
  const strict = new ModbusListener(4, new Set([3]))
  const request = Uint8Array.from(modbusFrame([3, 4, 0, 0, 0, 2]))
  strict.feed(request, 0, 8)
  t.ok(strict.findAfterSilence(8))
  strict.feed(Uint8Array.of(1, 2, 3), 100, 103)
  strict.feed(request, 105, 113)
  t.equal(strict.findAfterSilence(113), undefined, 'too soon after other octets')
  strict.feed(Uint8Array.of(1, 2, 3), 200, 203)
  strict.feed(request, 205, 213)
  t.ok(strict.findNow(), 'a lenient slave finds it')
})

t.test('faults change replies in the way they are named', async t => {
  const meter = meterOf()
  const reply = dltReply(meter, 0x91, [...low('00010000'), 1, 2, 3, 4])
  const sane = reply.encode('own')
  const put = (faults: FaultSetting, nth = 0): number[] | undefined =>
    applyFaults(reply, faults, 1, nth)?.octets
  t.same(put({}), sane)
  t.equal(put({ mute: true }), undefined)
  t.equal(applyFaults(reply, { late: { ms: 700 } }, 1, 0)?.delayMs, 700)
  t.equal(new DltListener().feed(Uint8Array.from(put({ badChecksum: true }) ?? [])).length, 0)
  t.ok((put({ truncated: true })?.length ?? 99) < sane.length)
  t.equal(put({ duplicate: true })?.length, 2 * sane.length)
  t.equal(put({ noiseBefore: true, noiseAfter: true })?.length, sane.length + 6)
  t.equal(
    hexOf(put({ trailingJunk: true }) ?? []).slice(-14),
    '1600FF55FE00'.padStart(14, hexOf(sane).slice(-4))
  )
  t.equal(hexOf(put({ doubled68: true }) ?? []).slice(0, 12), 'FEFEFEFE6868')
  t.not(hexOf(put({ garbage: true }) ?? []), hexOf(sane))
  const heard = (faults: FaultSetting) => new DltListener().feed(Uint8Array.from(put(faults) ?? []))[0]
  t.equal(hexOf(heard({ wrongAddress: true })?.address ?? []), '090000000099')
  t.not(hexOf(heard({ foreignReply: true })?.data.slice(0, 4) ?? []), hexOf(low('00010000')))
  t.not(hexOf(put({ bitErrors: 0.5 }) ?? []), hexOf(sane))
  const shares = Array.from({ length: 400 }, (_, nth) => put({ mute: 0.25 }, nth) === undefined).filter(
    Boolean
  ).length
  t.ok(shares > 70 && shares < 130, `${shares} of 400 at a share of 0.25`)
  t.equal(
    hexOf(dltReply(meterOf({ preamble: 0, faults: { answersAsAA: true } }), 0x91, []).encode('own')),
    '68AAAAAAAAAAAA6891005D16'
  )
  t.equal(modbusReply([3, 4, 2, 1, 2]).encode('stranger')[0], 4)
})

t.test('settings', async t => {
  const folder = shippedFolder('config', 'simulator')
  t.equal(loadSimulatorSetting(join(folder, 'demo.yaml')).buses.length, 2)
  t.equal(loadSimulatorSetting(join(folder, 'quirks.yaml')).buses.length, 3)
  t.throws(() => loadSimulatorSetting('/no/such'), { code: 'SIMULATOR_CONFIG' })
  t.throws(() => parseSimulatorSetting('buses: [', 'f'), { code: 'SIMULATOR_CONFIG' })
  const wrong =
    'buses:\n  - name: a\n    baud: 9600\n    parity: even\n    meters:\n      - { address: "1", protocol: modbus, faults: { mutee: true } }\n'
  t.throws(() => parseSimulatorSetting(wrong, 'f'), {
    code: 'SIMULATOR_CONFIG',
    at: 'f:6:51',
    message: /mutee/
  })
  t.throws(
    () =>
      startSimulator({
        buses: [
          {
            name: 'a',
            baud: 9600,
            parity: 'even',
            meters: [{ address: '1', protocol: 'modbus', profile: 'none' }]
          }
        ]
      }),
    { code: 'SIMULATOR_PROFILE' }
  )
})

const openPort = (path: string, baudRate: number): Promise<SerialPort> =>
  new Promise((resolve, reject) => {
    const port: SerialPort = new SerialPort({ path, baudRate, parity: 'even' }, error =>
      error ? reject(error) : resolve(port)
    )
  })
/** Sends octets and gathers what comes until `enough` says so. */
const exchange = (
  port: SerialPort,
  request: Uint8Array,
  enough: (octets: Uint8Array) => boolean
): Promise<Uint8Array> =>
  new Promise(resolve => {
    let got = new Uint8Array(0)
    const take = (chunk: Buffer): void => {
      got = Uint8Array.from([...got, ...chunk])
      if (!enough(got)) return
      port.off('data', take)
      resolve(got)
    }
    port.on('data', take)
    port.write(request)
  })
const atLeast = (count: number) => (octets: Uint8Array) => octets.length >= count
const request2007 = (address: string, name: string): Uint8Array =>
  Uint8Array.from(dltFrame(addressOctets(address), 0x11, low(name), 4))

t.test('a serial port reads meters of both protocols off one paced line', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'wattproof-simulator-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const link = join(folder, 'line')
  const capture = join(folder, 'capture.txt')
  writeFileSync(capture, '# a remark\n> FEFE0102030405\n< AABB\n< CC\n\n> 0102030405\n< DD\n')
  let simulator: Simulator | undefined = startSimulator(
    {
      slotSeconds: 5,
      buses: [
        {
          name: 'line',
          baud: 19_200,
          parity: 'even',
          path: link,
          meters: [
            { address: OWN, protocol: 'dlt645', turnaroundMs: 20, jitterMs: 0 },
            { address: '7', protocol: 'dlt645-1997', preamble: 1 },
            { address: '5', protocol: 'modbus' },
            { address: '0', protocol: 'replay', capture: 'capture.txt', turnaroundMs: 1 }
          ]
        }
      ]
    },
    { files: folder, clock: { nowMs: () => NOW_S * 1000 } }
  )
  t.teardown(() => simulator?.stop())
  t.same(simulator.lines, [{ bus: 'line', path: link }])
  const port = await openPort(link, 19_200)

  const started = performance.now()
  const reply = await exchange(port, request2007(OWN, '00010000'), atLeast(24))
  const tookMs = performance.now() - started
  t.ok(tookMs >= ((20 + 24) * 11 * 1000) / 19_200 + 20 - 1, `both ways take their time: ${tookMs} ms`)
  const [frame] = new DltListener().feed(reply)
  t.equal(frame?.control, 0x91)
  t.equal(hexOf(frame?.data.slice(0, 4) ?? []), '00000100')

  const old = Uint8Array.from(dltFrame(addressOctets('7'), 0x01, low('9010')))
  t.equal(new DltListener().feed(await exchange(port, old, atLeast(19)))[0]?.control, 0x81)

  const ask = Uint8Array.from(modbusFrame([5, 4, 0, 0, 0, 2]))
  const answer = await exchange(port, ask, atLeast(9))
  t.equal(modbusCrc(answer), 0)
  t.equal(toHex(answer.subarray(0, 3)), '050404')

  t.equal(toHex(await exchange(port, fromHex('0102030405'), atLeast(3))), 'aabbcc')
  t.equal(toHex(await exchange(port, fromHex('0102030405'), atLeast(1))), 'dd')

  simulator.setEcho('line', true)
  const echoed = await exchange(port, ask, atLeast(17))
  t.equal(toHex(echoed.subarray(0, 8)), toHex(ask), 'the adapter hears itself')
  simulator.setEcho('line', false)
  simulator.setFault('line', OWN, 'badChecksum', true)
  t.equal(new DltListener().feed(await exchange(port, request2007(OWN, '02800002'), atLeast(22))).length, 0)
  simulator.setFault('line', OWN, 'badChecksum', undefined)
  simulator.setFault('line', OWN, 'clockOffS', 60)
  const clock = await exchange(port, request2007(OWN, '04000102'), atLeast(23))
  t.equal(hexOf(new DltListener().feed(clock)[0]?.data.slice(4) ?? []), '301810', 'a minute ahead')
  t.throws(() => simulator?.setFault('line', '99', 'mute', true), { code: 'SIMULATOR_CONFIG' })
  t.throws(() => simulator?.setFault('nowhere', '99', 'mute', true), { code: 'SIMULATOR_CONFIG' })

  simulator.setFault('line', '5', 'babbleMs', 5)
  await exchange(port, new Uint8Array(0), atLeast(10))
  simulator.setFault('line', '5', 'babbleMs', 0)

  await new Promise(resolve => port.close(resolve))
  const fd = openSync(link, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK)
  await simulator.setPlugged('line', false)
  t.throws(() => writeSync(fd, ask), { code: 'EIO' }, 'hung up')
  closeSync(fd)
  t.notOk(existsSync(link), 'and gone')
  await simulator.setPlugged('line', true)
  const back = await openPort(link, 19_200)
  t.equal(toHex((await exchange(back, ask, atLeast(9))).subarray(0, 3)), '050404', 'plugged in again')
  await new Promise(resolve => back.close(resolve))
  await simulator.stop()
  await simulator.stop()
  simulator = undefined
  t.throws(() => loadReplay('no-such', folder), { code: 'SIMULATOR_REPLAY' })
  writeFileSync(capture, '> 0\n')
  t.throws(() => loadReplay('capture.txt', folder), { code: 'SIMULATOR_REPLAY', at: `${capture}:1` })
})

t.test('meters that share an address, or talk at once with the master, spoil the line', async t => {
  const setting = { protocol: 'dlt645', preamble: 0, jitterMs: 0 } as const
  const simulator = startSimulator({
    buses: [
      {
        name: 'a',
        baud: 115_200,
        parity: 'even',
        meters: [
          { ...setting, address: '1', seed: 1 },
          { ...setting, address: '1', seed: 2, turnaroundMs: 40.2 },
          { ...setting, address: '2', faults: { late: { ms: 30 } } }
        ]
      }
    ]
  })
  t.teardown(() => simulator.stop())
  const port = await openPort(simulator.lines[0]?.path ?? '', 115_200)
  t.teardown(() => port.close())
  const both = await exchange(port, request2007('1', '00010000'), atLeast(22))
  t.ok(both.length <= 22, 'one octet at a time')
  t.equal(new DltListener().feed(both).length, 0, 'two replies at once are no reply')
  const late = exchange(port, request2007('2', '0001FF00'), atLeast(36))
  t.equal(new DltListener().feed(await late).length, 1)
})

t.test('runs a file until told to stop', async t => {
  const stop = new AbortController()
  let ready: SimulatorReady | undefined
  await runSimulator(join(shippedFolder('config', 'simulator'), 'demo.yaml'), stop.signal, lines => {
    ready = lines
    setImmediate(() => stop.abort())
  })
  t.same(
    ready?.lines.map(line => line.bus),
    ['rs485-1', 'rs485-2']
  )
})
