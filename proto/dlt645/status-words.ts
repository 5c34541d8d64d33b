/**
 * Names of the bits of status words 1-7 (040005nn), by word and bit. Words 4, 5 and 6 are the same for phases A, B and C.
 * Fields of several bits carry `first bit, width` and are given as name=value.
 */
interface BitField {
  readonly bit: number
  readonly width: number
  readonly name: string
  readonly zh: string
}

const bit = (at: number, name: string, zh: string, width = 1): BitField => ({ bit: at, width, name, zh })

const PHASE_WORD: readonly BitField[] = [
  bit(0, 'voltage-loss', '失压'),
  bit(1, 'under-voltage', '欠压'),
  bit(2, 'over-voltage', '过压'),
  bit(3, 'current-loss', '失流'),
  bit(4, 'over-current', '过流'),
  bit(5, 'overload', '过载'),
  bit(6, 'reverse-flow', '潮流反向'),
  bit(7, 'phase-break', '断相'),
  bit(8, 'current-break', '断流')
]

const WORDS: readonly (readonly BitField[])[] = [
  [
    bit(0, 'external-switch-mode', '外置开关控制方式'),
    bit(1, 'demand-slide-mode', '需量积算方式'),
    bit(2, 'clock-battery-low', '时钟电池欠压'),
    bit(3, 'outage-battery-low', '停电抄表电池欠压'),
    bit(4, 'active-power-reverse', '有功功率方向反向'),
    bit(5, 'reactive-power-reverse', '无功功率方向反向')
  ],
  [
    bit(0, 'active-reverse-a', 'A相有功功率方向反向'),
    bit(1, 'active-reverse-b', 'B相有功功率方向反向'),
    bit(2, 'active-reverse-c', 'C相有功功率方向反向'),
    bit(4, 'reactive-reverse-a', 'A相无功功率方向反向'),
    bit(5, 'reactive-reverse-b', 'B相无功功率方向反向'),
    bit(6, 'reactive-reverse-c', 'C相无功功率方向反向')
  ],
  [
    bit(0, 'day-table-set-2', '当前运行第二套时段'),
    bit(1, 'supply', '供电方式', 2),
    bit(3, 'programming-allowed', '编程允许'),
    bit(4, 'relay-open', '继电器断开'),
    bit(5, 'zone-table-set-2', '当前运行第二套时区'),
    bit(6, 'relay-command-open', '继电器命令断'),
    bit(7, 'pre-trip-alarm', '预跳闸报警'),
    bit(8, 'prepayment', '电能表类型', 2),
    bit(10, 'price-set-2', '当前运行第二套费率电价'),
    bit(11, 'step-set-2', '当前运行第二套阶梯')
  ],
  PHASE_WORD,
  PHASE_WORD,
  PHASE_WORD,
  [
    bit(0, 'voltage-reverse-sequence', '电压逆相序'),
    bit(1, 'current-reverse-sequence', '电流逆相序'),
    bit(2, 'voltage-unbalance', '电压不平衡'),
    bit(3, 'current-unbalance', '电流不平衡'),
    bit(4, 'auxiliary-supply-loss', '辅助电源失电'),
    bit(5, 'power-down', '掉电'),
    bit(6, 'demand-over-limit', '需量超限'),
    bit(7, 'power-factor-low', '总功率因数超下限'),
    bit(8, 'severe-current-unbalance', '电流严重不平衡')
  ]
]

/** Something a status word says. `value` is above 1 only for fields of several bits (supply: 0 main, 1 auxiliary, 2 battery). */
export interface StatusFlag {
  readonly name: string
  readonly zh: string
  readonly value: number
}

/** The flags set in status word `number` (1-7). A set bit without a name is given as `bit-n`. */
export function decodeStatusWord(number: number, word: number): StatusFlag[] {
  const fields = WORDS[number - 1] ?? []
  const out: StatusFlag[] = []
  let left = word
  for (const field of fields) {
    const mask = ((1 << field.width) - 1) << field.bit
    const value = (word & mask) >> field.bit
    left &= ~mask
    if (value !== 0) out.push({ name: field.name, zh: field.zh, value })
  }
  for (let at = 0; at < 16; at++) {
    if ((left >> at) & 1) out.push({ name: `bit-${at}`, zh: `第${at}位`, value: 1 })
  }
  return out
}
