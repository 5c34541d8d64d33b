/**
 * Data items of DL/T 645-2007 with the supplements meters in the field carry (reference tables of chapter 4 and appendix A).
 * Pattern: DI3 DI2 DI1 DI0; `TT` tariff, `SS` settlement day back, `PP` phase A-C, `QQ` total and phases, `HH` harmonic order,
 * `NN` n-th last, `WW` status word, `KK` any number, `**` anything; the others are octets.
 * Fields: see parseFields. The first pattern that fits counts.
 */
export type ItemRow = readonly [pattern: string, fields: string, en: string, zh: string]

const ENERGY: readonly (readonly [di2: string, sign: string, unit: string, en: string, zh: string])[] = [
  ['00', '±', 'kWh', 'combined active energy', '组合有功电能'],
  ['01', '', 'kWh', 'forward active energy', '正向有功电能'],
  ['02', '', 'kWh', 'reverse active energy', '反向有功电能'],
  ['03', '±', 'kvarh', 'combined reactive energy 1', '组合无功1电能'],
  ['04', '±', 'kvarh', 'combined reactive energy 2', '组合无功2电能'],
  ['05', '', 'kvarh', 'reactive energy quadrant 1', '第一象限无功电能'],
  ['06', '', 'kvarh', 'reactive energy quadrant 2', '第二象限无功电能'],
  ['07', '', 'kvarh', 'reactive energy quadrant 3', '第三象限无功电能'],
  ['08', '', 'kvarh', 'reactive energy quadrant 4', '第四象限无功电能'],
  ['09', '', 'kVAh', 'forward apparent energy', '正向视在电能'],
  ['0A', '', 'kVAh', 'reverse apparent energy', '反向视在电能']
]

/** Phases keep the order of the totals without the combined active one: A at 15, B at 29, C at 3D. */
const PHASES: readonly (readonly [base: number, name: string])[] = [
  [0x15, 'A'],
  [0x29, 'B'],
  [0x3d, 'C']
]

const EXTRA_ENERGY: readonly (readonly [offset: number, unit: string, en: string, zh: string])[] = [
  [0, 'kWh', 'linkage active energy', '关联总电能'],
  [1, 'kWh', 'forward fundamental active energy', '正向有功基波电能'],
  [2, 'kWh', 'reverse fundamental active energy', '反向有功基波电能'],
  [3, 'kWh', 'forward harmonic active energy', '正向有功谐波电能'],
  [4, 'kWh', 'reverse harmonic active energy', '反向有功谐波电能'],
  [5, 'kWh', 'copper loss energy', '铜损有功电能补偿量'],
  [6, 'kWh', 'iron loss energy', '铁损有功电能补偿量']
]

const hex = (value: number): string => value.toString(16).padStart(2, '0').toUpperCase()

const energyRows: ItemRow[] = [
  ...ENERGY.map(
    ([di2, sign, unit, en, zh]): ItemRow => [`00 ${di2} TT SS`, `energy:${sign}XXXXXX.XX ${unit}`, en, zh]
  ),
  ...PHASES.flatMap(([base, phase]) =>
    ENERGY.slice(1).map(
      ([, sign, unit, en, zh], index): ItemRow => [
        `00 ${hex(base + index)} 00 SS`,
        `energy:${sign}XXXXXX.XX ${unit}`,
        `${en}, phase ${phase}`,
        `${phase}相${zh}`
      ]
    )
  ),
  ...[0x80, 0x94, 0xa8, 0xbc].flatMap((base, index) =>
    EXTRA_ENERGY.map(
      ([offset, unit, en, zh]): ItemRow => [
        `00 ${hex(base + offset)} 00 SS`,
        `energy:XXXXXX.XX ${unit}`,
        index === 0 ? en : `${en}, phase ${'ABC'[index - 1]}`,
        index === 0 ? zh : `${'ABC'[index - 1]}相${zh}`
      ]
    )
  ),
  ['00 0B 00 SS', 'energy:XXXXXX.XX kWh', 'energy of the settlement period', '结算周期组合有功总累计用电量'],
  ['00 0C 00 SS', 'energy:XXXXXX.XX kWh', 'energy of the month', '月度组合有功总累计用电量'],
  ['00 90 01 00', 'energy:XXXXXX.XX kWh', 'remaining energy', '剩余电量'],
  ['00 90 01 01', 'energy:XXXXXX.XX kWh', 'overdrawn energy', '透支电量'],
  ['00 90 02 00', 'money:XXXXXX.XX yuan', 'remaining money', '剩余金额'],
  ['00 90 02 01', 'money:XXXXXX.XX yuan', 'overdrawn money', '透支金额'],
  ['00 90 NN NN', 'energy:XXXXXX.XX', 'remaining energy or money', '剩余电量或金额'],
  ['00 ** TT SS', 'energy:XXXXXX.XX kWh', 'energy item', '电能量']
]

const demandRows: ItemRow[] = [
  ...ENERGY.slice(1).map(
    ([di2, sign, unit, en, zh]): ItemRow => [
      `01 ${di2} TT SS`,
      `demand:${sign}XX.XXXX ${unit.slice(0, -1)} | time:YYMMDDhhmm`,
      en.replace('energy', 'maximum demand'),
      `${zh.replace('电能', '')}最大需量及发生时间`
    ]
  ),
  ...PHASES.flatMap(([base, phase]) =>
    ENERGY.slice(1).map(
      ([, sign, unit, en, zh], index): ItemRow => [
        `01 ${hex(base + index)} 00 SS`,
        `demand:${sign}XX.XXXX ${unit.slice(0, -1)} | time:YYMMDDhhmm`,
        `${en.replace('energy', 'maximum demand')}, phase ${phase}`,
        `${phase}相${zh.replace('电能', '')}最大需量及发生时间`
      ]
    )
  ),
  ['01 ** TT SS', 'demand:XX.XXXX kW | time:YYMMDDhhmm', 'maximum demand item', '最大需量及发生时间']
]

const variableRows: ItemRow[] = [
  ['02 01 PP 00', 'voltage:XXX.X V', 'voltage', '电压'],
  ['02 01 QQ 00', 'voltage:XXX.X V', 'voltage', '电压'],
  ['02 02 PP 00', 'current:±XXX.XXX A', 'current', '电流'],
  ['02 02 QQ 00', 'current:±XXX.XXX A', 'current', '电流'],
  ['02 03 QQ 00', 'power:±XX.XXXX kW', 'active power', '有功功率'],
  ['02 04 QQ 00', 'power:±XX.XXXX kvar', 'reactive power', '无功功率'],
  ['02 05 QQ 00', 'power:±XX.XXXX kVA', 'apparent power', '视在功率'],
  ['02 06 QQ 00', 'factor:±X.XXX', 'power factor', '功率因数'],
  ['02 07 PP 00', 'angle:XXX.X deg', 'phase angle', '相角'],
  ['02 08 PP 00', 'distortion:XX.XX %', 'voltage distortion', '电压波形失真度'],
  ['02 09 PP 00', 'distortion:XX.XX %', 'current distortion', '电流波形失真度'],
  ['02 0A PP HH', 'content:XX.XX %', 'voltage harmonic content', '电压谐波含量'],
  ['02 0B PP HH', 'content:XX.XX %', 'current harmonic content', '电流谐波含量'],
  ['02 80 00 01', 'current:±XXX.XXX A', 'neutral current', '零线电流'],
  ['02 80 00 02', 'frequency:XX.XX Hz', 'frequency', '电网频率'],
  ['02 80 00 03', 'power:±XX.XXXX kW', 'one-minute mean active power', '一分钟有功总平均功率'],
  ['02 80 00 04', 'demand:±XX.XXXX kW', 'present active demand', '当前有功需量'],
  ['02 80 00 05', 'demand:±XX.XXXX kvar', 'present reactive demand', '当前无功需量'],
  ['02 80 00 06', 'demand:±XX.XXXX kVA', 'present apparent demand', '当前视在需量'],
  ['02 80 00 07', 'temperature:±XXX.X °C', 'temperature', '表内温度'],
  ['02 80 00 08', 'voltage:XX.XX V', 'clock battery voltage', '时钟电池电压'],
  ['02 80 00 09', 'voltage:XX.XX V', 'outage battery voltage', '停电抄表电池电压'],
  ['02 80 00 0A', 'time:XXXXXXXX min', 'battery working time', '内部电池工作时间'],
  ['02 80 00 0B', 'price:XXXX.XXXX yuan/kWh', 'present step price', '当前阶梯电价'],
  ['02 80 00 20', 'price:XXXX.XXXX yuan/kWh', 'present price', '当前电价'],
  ['02 80 00 21', 'price:XXXX.XXXX yuan/kWh', 'present tariff price', '当前费率电价'],
  ['02 92 KK 00', 'current:XXXXX.X A', 'current, wide (vendor)', '当前电流(扩展)'],
  ['02 93 QQ 00', 'power:XXXX.XX kW', 'active power, wide (vendor)', '有功功率(扩展)'],
  ['02 94 QQ 00', 'power:XXXX.XX kvar', 'reactive power, wide (vendor)', '无功功率(扩展)'],
  ['02 95 QQ 00', 'power:XXXX.XX kVA', 'apparent power, wide (vendor)', '视在功率(扩展)'],
  ['02 A3 QQ 00', 'power:XXXX.XXXX kW', 'active power, long (vendor)', '有功功率(扩展)'],
  ['02 A4 QQ 00', 'power:XXXX.XXXX kvar', 'reactive power, long (vendor)', '无功功率(扩展)'],
  ['02 A5 QQ 00', 'power:XXXX.XXXX kVA', 'apparent power, long (vendor)', '视在功率(扩展)']
]

const parameterRows: ItemRow[] = [
  ['04 00 01 01', 'date:YYMMDDWW', 'date and weekday', '日期及星期'],
  ['04 00 01 02', 'time:hhmmss', 'time', '时间'],
  ['04 00 01 03', 'period:XX min', 'demand period', '最大需量周期'],
  ['04 00 01 04', 'slide:XX min', 'demand slide', '滑差时间'],
  ['04 00 01 05', 'width:XXXX ms', 'pulse width', '校表脉冲宽度'],
  ['04 00 01 06', 'switch:YYMMDDhhmm', 'switch time of the zone tables', '两套时区表切换时间'],
  ['04 00 01 07', 'switch:YYMMDDhhmm', 'switch time of the day tables', '两套日时段表切换时间'],
  ['04 00 01 08', 'switch:YYMMDDhhmm', 'switch time of the tariff prices', '两套费率电价切换时间'],
  ['04 00 01 09', 'switch:YYMMDDhhmm', 'switch time of the step tables', '两套阶梯切换时间'],
  ['04 00 01 0C', 'clock:YYMMDDWWhhmmss', 'date, weekday and time', '日期时间'],
  ['04 00 02 01', 'count:XX', 'count of year zones', '年时区数'],
  ['04 00 02 02', 'count:XX', 'count of day tables', '日时段表数'],
  ['04 00 02 03', 'count:XX', 'count of day periods', '日时段数'],
  ['04 00 02 04', 'count:XX', 'count of tariffs', '费率数'],
  ['04 00 02 05', 'count:XXXX', 'count of holidays', '公共假日数'],
  ['04 00 02 06', 'order:XX', 'highest harmonic order', '谐波分析次数'],
  ['04 00 02 07', 'count:XX', 'count of steps', '阶梯数'],
  ['04 00 03 01', 'count:XX', 'count of rotating displays', '自动循环显示屏数'],
  ['04 00 03 02', 'time:XX s', 'time of each display', '每屏显示时间'],
  ['04 00 03 03', 'digits:XX', 'decimals of displayed energy', '显示电能小数位数'],
  ['04 00 03 04', 'digits:XX', 'decimals of displayed power', '显示功率小数位数'],
  ['04 00 03 05', 'count:XX', 'count of key displays', '按键循环显示屏数'],
  ['04 00 03 06', 'ratio:XXXXXX', 'CT ratio', '电流互感器变比'],
  ['04 00 03 07', 'ratio:XXXXXX', 'PT ratio', '电压互感器变比'],
  ['04 00 04 01', 'address:N12', 'communication address', '通信地址'],
  ['04 00 04 02', 'number:N12', 'meter number', '表号'],
  ['04 00 04 03', 'code:ASCII:32', 'asset code', '资产管理编码'],
  ['04 00 04 04', 'rated:ASCII:6', 'rated voltage', '额定电压'],
  ['04 00 04 05', 'rated:ASCII:6', 'rated current', '额定电流'],
  ['04 00 04 06', 'rated:ASCII:6', 'maximum current', '最大电流'],
  ['04 00 04 07', 'class:ASCII:4', 'accuracy class, active', '有功准确度等级'],
  ['04 00 04 08', 'class:ASCII:4', 'accuracy class, reactive', '无功准确度等级'],
  ['04 00 04 09', 'const:XXXXXX imp/kWh', 'meter constant, active', '有功常数'],
  ['04 00 04 0A', 'const:XXXXXX imp/kvarh', 'meter constant, reactive', '无功常数'],
  ['04 00 04 0B', 'model:ASCII:10', 'meter model', '电表型号'],
  ['04 00 04 0C', 'made:ASCII:10', 'date of make', '生产日期'],
  ['04 00 04 0D', 'version:ASCII:16', 'protocol version', '协议版本号'],
  ['04 00 04 0E', 'number:N12', 'customer number', '客户编号'],
  ['04 00 05 WW', 'word:BITS:2', 'status word', '电表运行状态字'],
  ['04 00 06 01', 'mode:BITS:1', 'combination mode, active', '有功组合方式特征字'],
  ['04 00 06 02', 'mode:BITS:1', 'combination mode, reactive 1', '无功组合方式1特征字'],
  ['04 00 06 03', 'mode:BITS:1', 'combination mode, reactive 2', '无功组合方式2特征字'],
  ['04 00 07 KK', 'speed:BITS:1', 'speed word of a port', '通信速率特征字'],
  ['04 00 08 01', 'days:BITS:1', 'weekly rest days', '周休日特征字'],
  ['04 00 08 02', 'table:XX', 'day table of rest days', '周休日采用的日时段表号'],
  ['04 00 09 01', 'mode:BITS:1', 'load profile mode', '负荷记录模式字'],
  ['04 00 09 02', 'mode:BITS:1', 'timed freeze mode', '定时冻结数据模式字'],
  ['04 00 09 03', 'mode:BITS:1', 'instant freeze mode', '瞬时冻结数据模式字'],
  ['04 00 09 04', 'mode:BITS:1', 'appointed freeze mode', '约定冻结数据模式字'],
  ['04 00 09 05', 'mode:BITS:1', 'hourly freeze mode', '整点冻结数据模式字'],
  ['04 00 09 06', 'mode:BITS:1', 'daily freeze mode', '日冻结数据模式字'],
  ['04 00 0A 01', 'start:MMDDhhmm', 'load profile start', '负荷记录起始时间'],
  ['04 00 0A KK', 'interval:XXXX min', 'load profile interval of a class', '负荷记录间隔时间'],
  ['04 00 0B KK', 'day:DDhh', 'settlement day', '每月结算日'],
  ['04 00 0D KK', 'factor:X.XXX', 'conductance or resistance factor', '电导电抗系数'],
  ['04 00 0E 01', 'limit:XX.XXXX kW', 'forward active power limit', '正向有功功率上限值'],
  ['04 00 0E 02', 'limit:XX.XXXX kW', 'reverse active power limit', '反向有功功率上限值'],
  ['04 00 0E 03', 'limit:XXX.X V', 'upper voltage limit', '电压上限值'],
  ['04 00 0E 04', 'limit:XXX.X V', 'lower voltage limit', '电压下限值'],
  ['04 00 0F KK', 'limit:XXXXXX.XX kWh', 'energy alarm limit', '报警电量限值'],
  ['04 00 10 KK', 'limit:XXXXXX.XX yuan', 'money limit', '金额限值'],
  ['04 00 11 04', 'mode:BITS:8', 'active report mode', '主动上报模式字'],
  ['04 00 11 KK', 'mode:BITS:1', 'run feature word', '电表运行特征字'],
  ['04 00 12 01', 'start:YYMMDDhhmm', 'hourly freeze start', '整点冻结起始时间'],
  ['04 00 12 02', 'interval:XX min', 'hourly freeze interval', '整点冻结时间间隔'],
  ['04 00 12 03', 'time:hhmm', 'daily freeze time', '日冻结时间'],
  ['04 00 13 01', 'strength:XX', 'wireless signal strength', '无线通信在线及信号强弱指示'],
  ['04 00 14 01', 'delay:XXXX min', 'trip delay', '跳闸延时时间'],
  ['04 00 15 01', 'state:HEX:12', 'active report state', '主动上报状态字'],
  ['04 01 00 00', 'zone*:MMDDNN', 'zone table, set 1', '第一套时区表'],
  ['04 01 00 KK', 'period*:hhmmNN', 'day table, set 1', '第一套日时段表'],
  ['04 02 00 00', 'zone*:MMDDNN', 'zone table, set 2', '第二套时区表'],
  ['04 02 00 KK', 'period*:hhmmNN', 'day table, set 2', '第二套日时段表'],
  ['04 03 00 KK', 'holiday:YYMMDDNN', 'holiday', '公共假日日期及日时段表号'],
  ['04 04 01 KK', 'display:HEX:4 | part:XX', 'rotating display item', '自动循环显示数据项'],
  ['04 04 02 KK', 'display:HEX:4 | part:XX', 'key display item', '按键循环显示数据项'],
  ['04 05 ** KK', 'price*:XXXX.XXXX yuan/kWh', 'tariff price', '费率电价'],
  ['04 06 00 KK', 'step*:XXXXXX.XX kWh', 'step limit, set 1', '第一套阶梯值'],
  ['04 06 01 KK', 'price*:XXXX.XXXX yuan/kWh', 'step price', '阶梯电价'],
  ['04 06 02 KK', 'step*:XXXXXX.XX kWh', 'step limit, set 2', '第二套阶梯值'],
  ['04 06 03 KK', 'price*:XXXX.XXXX yuan/kWh', 'step price, set 2', '第二套阶梯电价'],
  ['04 80 00 01', 'version:ASCII:32', 'software version', '厂家软件版本号'],
  ['04 80 00 02', 'version:ASCII:32', 'hardware version', '厂家硬件版本号'],
  ['04 80 00 03', 'maker:ASCII:32', 'maker', '厂家编号'],
  ['04 09 05 01', 'limit:XX.XX %', 'voltage unbalance limit', '电压不平衡率限值'],
  ['04 09 05 02', 'delay:XX s', 'voltage unbalance delay', '电压不平衡率判定延时时间'],
  ['04 09 06 01', 'limit:XX.XX %', 'current unbalance limit', '电流不平衡率限值'],
  ['04 09 06 02', 'delay:XX s', 'current unbalance delay', '电流不平衡率判定延时时间']
]

const freezeKinds: readonly (readonly [di2: string, en: string, zh: string])[] = [
  ['00', 'timed freeze', '定时冻结'],
  ['01', 'instant freeze', '瞬时冻结'],
  ['02', 'zone table switch freeze', '两套时区表切换冻结'],
  ['03', 'day table switch freeze', '两套日时段表切换冻结'],
  ['05', 'tariff price switch freeze', '两套费率电价切换冻结'],
  ['06', 'daily freeze', '日冻结'],
  ['07', 'step switch freeze', '两套阶梯切换冻结']
]

const freezeRows: ItemRow[] = [
  ['05 04 00 NN', 'time:YYMMDDhhmm', 'hourly freeze: time', '整点冻结时间'],
  ['05 04 01 NN', 'energy:XXXXXX.XX kWh', 'hourly freeze: forward active energy', '整点冻结正向有功总电能'],
  ['05 04 02 NN', 'energy:XXXXXX.XX kWh', 'hourly freeze: reverse active energy', '整点冻结反向有功总电能'],
  [
    '05 04 FF NN',
    'time:YYMMDDhhmm | forward:XXXXXX.XX kWh | reverse:XXXXXX.XX kWh',
    'hourly freeze: everything',
    '整点冻结数据块'
  ],
  ...freezeKinds.flatMap(([di2, en, zh]): ItemRow[] => [
    [`05 ${di2} 00 NN`, 'time:YYMMDDhhmm', `${en}: time`, `${zh}时间`],
    [`05 ${di2} FF NN`, 'block*:HEX:1', `${en}: everything`, `${zh}数据块`],
    ...ENERGY.slice(1, 9).map(
      ([code, sign, unit, name, cn]): ItemRow => [
        `05 ${di2} ${code} NN`,
        `energy*:${sign}XXXXXX.XX ${unit}`,
        `${en}: ${name}`,
        `${zh}${cn}`
      ]
    ),
    [
      `05 ${di2} 09 NN`,
      'demand*:XX.XXXX kW | time*:YYMMDDhhmm',
      `${en}: forward active demand`,
      `${zh}正向有功最大需量`
    ],
    [
      `05 ${di2} 0A NN`,
      'demand*:XX.XXXX kW | time*:YYMMDDhhmm',
      `${en}: reverse active demand`,
      `${zh}反向有功最大需量`
    ],
    [
      `05 ${di2} 10 NN`,
      'active-total:±XX.XXXX kW | active-a:±XX.XXXX kW | active-b:±XX.XXXX kW | active-c:±XX.XXXX kW' +
        ' | reactive-total:±XX.XXXX kvar | reactive-a:±XX.XXXX kvar | reactive-b:±XX.XXXX kvar | reactive-c:±XX.XXXX kvar',
      `${en}: variables`,
      `${zh}变量数据`
    ]
  ])
]

/** All of the edition, most telling first. */
export const ITEM_ROWS_2007: readonly ItemRow[] = [
  ...energyRows,
  ...demandRows,
  ...variableRows,
  ...parameterRows,
  ...freezeRows
]
