import type { ItemRow } from './data-items-2007.ts'

/** Event counters and records of DL/T 645-2007 (chapter 4, table of events), and the newer layout of single items (10..21). */

const PHASE_KEYS = ['a', 'b', 'c'] as const

const counters = (keys: readonly string[]): string =>
  keys.map(key => `${key}-count:XXXXXX | ${key}-minutes:XXXXXX min`).join(' | ')

const energies = (of: string): string =>
  `${of}-forward:XXXXXX.XX kWh | ${of}-reverse:XXXXXX.XX kWh | ${of}-reactive-1:±XXXXXX.XX kvarh | ${of}-reactive-2:±XXXXXX.XX kvarh`

const SPAN = 'start:YYMMDDhhmmss | end:YYMMDDhhmmss'
const DONE = 'time:YYMMDDhhmmss | operator:HEX:4'

/** 12 + 16 + 3 x 29 + 16 = 131 octets. */
const PHASE_RECORD = [
  SPAN,
  energies('total'),
  ...PHASE_KEYS.map(
    key =>
      `${energies(key)} | ${key}-voltage:XXX.X V | ${key}-current:±XXX.XXX A | ${key}-active:±XX.XXXX kW | ${key}-reactive:±XX.XXXX kvar | ${key}-factor:±X.XXX`
  ),
  'total-charge:XXXXXX.XX Ah | a-charge:XXXXXX.XX Ah | b-charge:XXXXXX.XX Ah | c-charge:XXXXXX.XX Ah'
].join(' | ')

const FOUR_ENERGIES = ['total', ...PHASE_KEYS].map(energies).join(' | ')

const quadrants = (of: string): string =>
  `${of}-forward:XXXXXX.XX kWh | ${of}-reverse:XXXXXX.XX kWh | ${of}-q1:XXXXXX.XX kvarh | ${of}-q2:XXXXXX.XX kvarh | ${of}-q3:XXXXXX.XX kvarh | ${of}-q4:XXXXXX.XX kvarh`

const BEFORE_AFTER = `${quadrants('before')} | ${quadrants('after')}`

const demands = (of: string): string =>
  [
    'forward:XX.XXXX kW',
    'reverse:XX.XXXX kW',
    'q1:XX.XXXX kvar',
    'q2:XX.XXXX kvar',
    'q3:XX.XXXX kvar',
    'q4:XX.XXXX kvar'
  ]
    .map(field => `${of}-${field} | ${of}-${field.slice(0, field.indexOf(':'))}-time:YYMMDDhhmm`)
    .join(' | ')

const PHASE_EVENTS: readonly (readonly [di2: string, en: string, zh: string, record: boolean])[] = [
  ['01', 'loss of voltage', '失压', true],
  ['02', 'under-voltage', '欠压', true],
  ['03', 'over-voltage', '过压', true],
  ['04', 'phase break', '断相', true],
  ['0B', 'loss of current', '失流', false],
  ['0C', 'over-current', '过流', false],
  ['0D', 'current break', '断流', false],
  ['0E', 'reverse flow', '潮流反向', false],
  ['0F', 'overload', '过载', false]
]

const LINE_EVENTS: readonly (readonly [di2: string, en: string, zh: string, record: string])[] = [
  ['05', 'all-phase loss of voltage', '全失压', 'start:YYMMDDhhmmss | current:XXX.XXX A | end:YYMMDDhhmmss'],
  ['06', 'auxiliary supply loss', '辅助电源失电', SPAN],
  ['07', 'voltage reverse sequence', '电压逆相序', `${SPAN} | ${FOUR_ENERGIES}`],
  ['08', 'current reverse sequence', '电流逆相序', `${SPAN} | ${FOUR_ENERGIES}`],
  ['09', 'voltage unbalance', '电压不平衡', `${SPAN} | rate:XX.XX % | ${FOUR_ENERGIES}`],
  ['0A', 'current unbalance', '电流不平衡', `${SPAN} | rate:XX.XX % | ${FOUR_ENERGIES}`]
]

const OPERATIONS: readonly (readonly [di1: string, en: string, zh: string, record: string])[] = [
  ['00', 'programming', '编程', `${DONE} | item*:HEX:4`],
  ['01', 'meter cleared', '电表清零', `${DONE} | ${['total', ...PHASE_KEYS].map(quadrants).join(' | ')}`],
  ['02', 'demand cleared', '需量清零', `${DONE} | ${['total', ...PHASE_KEYS].map(demands).join(' | ')}`],
  ['03', 'events cleared', '事件清零', `${DONE} | event:HEX:4`],
  ['04', 'time set', '校时', 'operator:HEX:4 | before:YYMMDDhhmmss | after:YYMMDDhhmmss'],
  ['05', 'tariff periods programmed', '时段表编程', `${DONE} | period*:hhmmNN`],
  ['06', 'zones programmed', '时区表编程', `${DONE} | zone*:MMDDNN`],
  ['07', 'rest days programmed', '周休日编程', `${DONE} | days:BITS:1`],
  ['08', 'holidays programmed', '节假日编程', `${DONE} | holiday*:YYMMDDNN`],
  ['09', 'active combination programmed', '有功组合方式编程', `${DONE} | mode:BITS:1`],
  ['0A', 'reactive combination 1 programmed', '无功组合方式1编程', `${DONE} | mode:BITS:1`],
  ['0B', 'reactive combination 2 programmed', '无功组合方式2编程', `${DONE} | mode:BITS:1`],
  ['0C', 'settlement days programmed', '结算日编程', `${DONE} | day*:DDhh`],
  ['0D', 'meter cover opened', '开表盖', `${SPAN} | ${BEFORE_AFTER}`],
  ['0E', 'terminal cover opened', '开端钮盖', `${SPAN} | ${BEFORE_AFTER}`]
]

const SINGLE_EVENTS: readonly (readonly [di3: string, en: string, zh: string])[] = [
  ['10', 'loss of voltage', '失压'],
  ['11', 'under-voltage', '欠压'],
  ['12', 'over-voltage', '过压'],
  ['13', 'phase break', '断相'],
  ['14', 'voltage reverse sequence', '电压逆相序'],
  ['15', 'current reverse sequence', '电流逆相序'],
  ['16', 'voltage unbalance', '电压不平衡'],
  ['17', 'current unbalance', '电流不平衡'],
  ['18', 'loss of current', '失流'],
  ['19', 'over-current', '过流'],
  ['1A', 'current break', '断流'],
  ['1B', 'active power reverse', '有功功率反向'],
  ['1C', 'overload', '过载'],
  ['1F', 'power factor low', '功率因数超下限'],
  ['20', 'severe current unbalance', '电流严重不平衡'],
  ['21', 'reverse flow', '潮流反向']
]

export const EVENT_ROWS_2007: readonly ItemRow[] = [
  ...PHASE_EVENTS.flatMap(([di2, en, zh, record]): ItemRow[] => [
    [`03 ${di2} 00 00`, counters(PHASE_KEYS), `${en}: counts and minutes`, `${zh}总次数及总累计时间`],
    [`03 ${di2} PP NN`, record ? PHASE_RECORD : `${SPAN} | rest*:HEX:1`, `${en} record`, `${zh}记录`]
  ]),
  ...LINE_EVENTS.flatMap(([di2, en, zh, record]): ItemRow[] => [
    [
      `03 ${di2} 00 00`,
      'count:XXXXXX | minutes:XXXXXX min',
      `${en}: count and minutes`,
      `${zh}总次数及总累计时间`
    ],
    [`03 ${di2} 00 NN`, record, `${en} record`, `${zh}记录`]
  ]),
  ['03 11 00 00', 'count:XXXXXX', 'power-down count', '掉电总次数'],
  ['03 11 00 NN', SPAN, 'power-down record', '掉电记录'],
  [
    '03 12 00 00',
    'forward:XXXXXX | reverse:XXXXXX | q1:XXXXXX | q2:XXXXXX | q3:XXXXXX | q4:XXXXXX',
    'demand over limit: counts',
    '需量超限总次数'
  ],
  ['03 12 KK NN', `${SPAN} | demand:XX.XXXX | time:YYMMDDhhmm`, 'demand over limit record', '需量超限记录'],
  ...OPERATIONS.flatMap(([di1, en, zh, record]): ItemRow[] => [
    [`03 30 ${di1} 00`, 'count:XXXXXX', `${en} count`, `${zh}总次数`],
    [`03 30 ${di1} NN`, record, `${en} record`, `${zh}记录`]
  ]),
  ['03 35 00 00', 'count:XXXXXX', 'constant magnetic field count', '恒定磁场干扰总次数'],
  [
    '03 35 00 NN',
    `${SPAN} | before-forward:XXXXXX.XX kWh | before-reverse:XXXXXX.XX kWh | after-forward:XXXXXX.XX kWh | after-reverse:XXXXXX.XX kWh`,
    'constant magnetic field record',
    '恒定磁场干扰记录'
  ],
  ['1D 00 00 01', 'count:XXXXXX', 'trip count', '跳闸次数'],
  ['1E 00 00 01', 'count:XXXXXX', 'close count', '合闸次数'],
  ['1D 00 01 NN', 'time:YYMMDDhhmmss', 'trip time', '跳闸发生时刻'],
  ['1E 00 01 NN', 'time:YYMMDDhhmmss', 'close time', '合闸发生时刻'],
  ...SINGLE_EVENTS.flatMap(([di3, en, zh]): ItemRow[] => [
    [`${di3} QQ 00 01`, 'count:XXXXXX', `${en} count`, `${zh}总次数`],
    [`${di3} QQ 00 02`, 'minutes:XXXXXX min', `${en} minutes`, `${zh}总累计时间`],
    [`${di3} QQ 01 NN`, 'start:YYMMDDhhmmss', `${en} start`, `${zh}发生时刻`]
  ]),
  ['10 00 02 NN', 'end:YYMMDDhhmmss', 'loss of voltage end', '失压结束时刻']
]
