import type { ItemRow } from './data-items-2007.ts'

/**
 * Data items of DL/T 645-1997. Pattern: DI1 DI0, two characters each; here a character may stand alone:
 * `m` month back (0 now, 4 last, 8 the one before, added to the digit before it), `t` tariff (0 total, F block), `p` phase (F block).
 */
const MONTHS = [0, 4, 8] as const

const REGISTERS: readonly (readonly [low: number, digit: string, unit: string, en: string, zh: string])[] = [
  [0, '0', 'kWh', 'combined active energy', '组合有功电能'],
  [0, '1', 'kWh', 'forward active energy', '正向有功电能'],
  [0, '2', 'kWh', 'reverse active energy', '反向有功电能'],
  [1, '1', 'kvarh', 'forward reactive energy', '正向无功电能'],
  [1, '2', 'kvarh', 'reverse reactive energy', '反向无功电能'],
  [1, '3', 'kvarh', 'reactive energy quadrant 1', '一象限无功电能'],
  [1, '4', 'kvarh', 'reactive energy quadrant 4', '四象限无功电能'],
  [1, '5', 'kvarh', 'reactive energy quadrant 2', '二象限无功电能'],
  [1, '6', 'kvarh', 'reactive energy quadrant 3', '三象限无功电能']
]

const BACK = { 0: '', 4: ', last month', 8: ', month before last' } as const
const BACK_ZH = { 0: '', 4: '(上月)', 8: '(上上月)' } as const

const di1 = (high: string, low: number): string => `${high}${low.toString(16).toUpperCase()}`

const registerRows = (high: string, fields: (unit: string) => string, en: string, zh: string): ItemRow[] =>
  MONTHS.flatMap(month =>
    REGISTERS.map(
      ([low, digit, unit, name, cn]): ItemRow => [
        `${di1(high, month + low)} ${digit}t`,
        fields(unit),
        `${name.replace('energy', en)}${BACK[month]}`,
        `${cn.replace('电能', zh)}${BACK_ZH[month]}`
      ]
    )
  )

const PERIODS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', 'A'] as const

export const ITEM_ROWS_1997: readonly ItemRow[] = [
  ...registerRows('9', unit => `energy:XXXXXX.XX ${unit}`, 'energy', '电能'),
  ...registerRows('A', unit => `demand:XX.XXXX ${unit.slice(0, -1)}`, 'maximum demand', '最大需量'),
  ...registerRows('B', () => 'time:MMDDhhmm', 'maximum demand time', '最大需量发生时间'),
  ['90 FF', 'energy*:XXXXXX.XX kWh', 'active energy, all', '有功电能(全部)'],
  ['91 FF', 'energy*:XXXXXX.XX kvarh', 'reactive energy, all', '无功电能(全部)'],
  ['B2 10', 'time:MMDDhhmm', 'last programming time', '最近一次编程时间'],
  ['B2 11', 'time:MMDDhhmm', 'last demand clear time', '最近一次最大需量清零时间'],
  ['B2 12', 'count:XXXX', 'programming count', '编程次数'],
  ['B2 13', 'count:XXXX', 'demand clear count', '最大需量清零次数'],
  ['B2 14', 'time:XXXXXX min', 'battery working time', '电池工作时间'],
  ['B3 1p', 'count:XXXX', 'phase break count', '断相次数'],
  ['B3 2p', 'minutes:XXXXXX min', 'phase break minutes', '断相时间累计值'],
  ['B3 3p', 'start:MMDDhhmm', 'last phase break start', '最近一次断相起始时刻'],
  ['B3 4p', 'end:MMDDhhmm', 'last phase break end', '最近一次断相结束时刻'],
  ['B6 1p', 'voltage:XXX V', 'voltage', '电压'],
  ['B6 2p', 'current:XX.XX A', 'current', '电流'],
  ['B6 3p', 'power:XX.XXXX kW', 'active power', '瞬时有功功率'],
  ['B6 34', 'limit:XX.XX kW', 'forward active power limit', '正向有功功率上限值'],
  ['B6 35', 'limit:XX.XX kW', 'reverse active power limit', '反向有功功率上限值'],
  ['B6 4p', 'power:XX.XX kvar', 'reactive power', '瞬时无功功率'],
  ['B6 5p', 'factor:X.XXX', 'power factor', '总功率因数'],
  ['C0 10', 'date:YYMMDDWW', 'date and weekday', '日期及周次'],
  ['C0 11', 'time:hhmmss', 'time', '时间'],
  ['C0 20', 'word:BITS:1', 'meter status word', '电表运行状态字'],
  ['C0 21', 'word:BITS:1', 'grid status word', '电网状态字'],
  ['C0 22', 'word:BITS:1', 'rest day status word', '周休日状态字'],
  ['C0 30', 'const:XXXXXX imp/kWh', 'meter constant, active', '电表常数(有功)'],
  ['C0 31', 'const:XXXXXX imp/kvarh', 'meter constant, reactive', '电表常数(无功)'],
  ['C0 32', 'number:N12', 'meter number', '表号'],
  ['C0 33', 'number:N12', 'user number', '用户号'],
  ['C0 34', 'code:N12', 'device code', '设备码'],
  ['C1 11', 'period:XX min', 'demand period', '最大需量周期'],
  ['C1 12', 'slide:XX min', 'demand slide', '滑差时间'],
  ['C1 13', 'time:XX s', 'time of each display', '循显时间'],
  ['C1 14', 'time:XX s', 'display stop time', '停显时间'],
  ['C1 15', 'digits:XX', 'decimals of displayed energy', '显示电能小数位数'],
  ['C1 16', 'digits:XX', 'decimals of displayed power', '显示功率小数位数'],
  ['C1 17', 'day:DDhh', 'settlement day', '自动抄表日期'],
  ['C1 18', 'day:DD', 'load representation day', '负荷代表日'],
  ['C1 19', 'energy:XXXXXX.XX kWh', 'active energy at the start', '有功电能起始读数'],
  ['C1 1A', 'energy:XXXXXX.XX kvarh', 'reactive energy at the start', '无功电能起始读数'],
  ['C2 11', 'width:XXXX ms', 'pulse width', '输出脉冲宽度'],
  ['C3 10', 'count:XX', 'count of year zones', '年时区数'],
  ['C3 11', 'count:XX', 'count of day tables', '日时段表数'],
  ['C3 12', 'count:XX', 'count of day periods', '日时段数'],
  ['C3 13', 'count:XX', 'count of tariffs', '费率数'],
  ['C3 14', 'count:XX', 'count of holidays', '公共假日数'],
  ['C3 2k', 'zone:MMDDNN', 'year zone: start day and day table', '年时区起始日期及日时段表号'],
  ...PERIODS.slice(2).map(
    (digit, index): ItemRow => [
      `C3 ${digit}k`,
      'period:hhmmNN',
      `day table ${index + 1}: period start and tariff`,
      `第${index + 1}日时段表起始时间及费率号`
    ]
  ),
  ['C4 1k', 'holiday:MMDDNN', 'holiday and day table', '公共假日日期及日时段表号'],
  ['C4 2k', 'holiday:MMDDNN', 'holiday and day table', '公共假日日期及日时段表号'],
  ['C5 10', 'start:MMDDhhmm', 'load record start', '负荷记录起始时间'],
  ['C5 11', 'interval:XXXX min', 'load record interval', '负荷记录间隔时间']
]
