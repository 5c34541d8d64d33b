import { CodecError } from './errors.ts'

/**
 * The item catalogue, version {@link CATALOGUE_VERSION}: every quantity a reading can carry.
 * Ids, units and exponents are part of the wire contract: an entry never changes; new ones take new ids and a new version.
 * OBIS codes follow IEC 62056-6-1 (codes of counters and status words are this product's, in the 0-0:96/97 range).
 */
export const CATALOGUE_VERSION = 1

/** energy: register that only grows; instant: value of the moment; time: unix seconds; counter: events so far. */
export type ItemKind = 'energy' | 'demand' | 'time' | 'instant' | 'status' | 'counter' | 'parameter'

export interface Item {
  /** Number in readings and batches. */
  readonly id: number
  /** Name in configuration, CLI and JSON. */
  readonly key: string
  readonly en: string
  readonly zh: string
  readonly obis: string
  /** SI unit text, '' for a bare number. */
  readonly unit: string
  /** value = integer x 10^exponent */
  readonly exponent: number
  readonly kind: ItemKind
}

const item = (
  id: number,
  key: string,
  en: string,
  zh: string,
  obis: string,
  unit: string,
  exponent: number,
  kind: ItemKind
): Item => ({
  id,
  key,
  en,
  zh,
  obis,
  unit,
  exponent,
  kind
})

/** All items, by rising id. Values are on the meter's own (secondary) side. */
export const ITEMS: readonly Item[] = [
  item(
    100,
    'active-import-total',
    'active energy import, total',
    '正向有功电能(总)',
    '1-0:1.8.0',
    'kWh',
    -3,
    'energy'
  ),
  item(
    101,
    'active-import-t1',
    'active energy import, tariff 1 (sharp)',
    '正向有功电能(尖)',
    '1-0:1.8.1',
    'kWh',
    -3,
    'energy'
  ),
  item(
    102,
    'active-import-t2',
    'active energy import, tariff 2 (peak)',
    '正向有功电能(峰)',
    '1-0:1.8.2',
    'kWh',
    -3,
    'energy'
  ),
  item(
    103,
    'active-import-t3',
    'active energy import, tariff 3 (flat)',
    '正向有功电能(平)',
    '1-0:1.8.3',
    'kWh',
    -3,
    'energy'
  ),
  item(
    104,
    'active-import-t4',
    'active energy import, tariff 4 (valley)',
    '正向有功电能(谷)',
    '1-0:1.8.4',
    'kWh',
    -3,
    'energy'
  ),
  item(
    110,
    'active-export-total',
    'active energy export, total',
    '反向有功电能(总)',
    '1-0:2.8.0',
    'kWh',
    -3,
    'energy'
  ),
  item(
    111,
    'active-export-t1',
    'active energy export, tariff 1 (sharp)',
    '反向有功电能(尖)',
    '1-0:2.8.1',
    'kWh',
    -3,
    'energy'
  ),
  item(
    112,
    'active-export-t2',
    'active energy export, tariff 2 (peak)',
    '反向有功电能(峰)',
    '1-0:2.8.2',
    'kWh',
    -3,
    'energy'
  ),
  item(
    113,
    'active-export-t3',
    'active energy export, tariff 3 (flat)',
    '反向有功电能(平)',
    '1-0:2.8.3',
    'kWh',
    -3,
    'energy'
  ),
  item(
    114,
    'active-export-t4',
    'active energy export, tariff 4 (valley)',
    '反向有功电能(谷)',
    '1-0:2.8.4',
    'kWh',
    -3,
    'energy'
  ),
  item(
    120,
    'active-combined-total',
    'combined active energy, total',
    '组合有功电能(总)',
    '1-0:15.8.0',
    'kWh',
    -3,
    'energy'
  ),
  item(
    121,
    'active-combined-t1',
    'combined active energy, tariff 1 (sharp)',
    '组合有功电能(尖)',
    '1-0:15.8.1',
    'kWh',
    -3,
    'energy'
  ),
  item(
    122,
    'active-combined-t2',
    'combined active energy, tariff 2 (peak)',
    '组合有功电能(峰)',
    '1-0:15.8.2',
    'kWh',
    -3,
    'energy'
  ),
  item(
    123,
    'active-combined-t3',
    'combined active energy, tariff 3 (flat)',
    '组合有功电能(平)',
    '1-0:15.8.3',
    'kWh',
    -3,
    'energy'
  ),
  item(
    124,
    'active-combined-t4',
    'combined active energy, tariff 4 (valley)',
    '组合有功电能(谷)',
    '1-0:15.8.4',
    'kWh',
    -3,
    'energy'
  ),
  item(
    130,
    'reactive-combined-1-total',
    'combined reactive energy 1, total',
    '组合无功1电能(总)',
    '1-0:3.8.0',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    131,
    'reactive-combined-1-t1',
    'combined reactive energy 1, tariff 1 (sharp)',
    '组合无功1电能(尖)',
    '1-0:3.8.1',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    132,
    'reactive-combined-1-t2',
    'combined reactive energy 1, tariff 2 (peak)',
    '组合无功1电能(峰)',
    '1-0:3.8.2',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    133,
    'reactive-combined-1-t3',
    'combined reactive energy 1, tariff 3 (flat)',
    '组合无功1电能(平)',
    '1-0:3.8.3',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    134,
    'reactive-combined-1-t4',
    'combined reactive energy 1, tariff 4 (valley)',
    '组合无功1电能(谷)',
    '1-0:3.8.4',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    140,
    'reactive-combined-2-total',
    'combined reactive energy 2, total',
    '组合无功2电能(总)',
    '1-0:4.8.0',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    141,
    'reactive-combined-2-t1',
    'combined reactive energy 2, tariff 1 (sharp)',
    '组合无功2电能(尖)',
    '1-0:4.8.1',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    142,
    'reactive-combined-2-t2',
    'combined reactive energy 2, tariff 2 (peak)',
    '组合无功2电能(峰)',
    '1-0:4.8.2',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    143,
    'reactive-combined-2-t3',
    'combined reactive energy 2, tariff 3 (flat)',
    '组合无功2电能(平)',
    '1-0:4.8.3',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    144,
    'reactive-combined-2-t4',
    'combined reactive energy 2, tariff 4 (valley)',
    '组合无功2电能(谷)',
    '1-0:4.8.4',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    150,
    'reactive-q1-total',
    'reactive energy quadrant 1, total',
    '第一象限无功电能(总)',
    '1-0:5.8.0',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    151,
    'reactive-q1-t1',
    'reactive energy quadrant 1, tariff 1 (sharp)',
    '第一象限无功电能(尖)',
    '1-0:5.8.1',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    152,
    'reactive-q1-t2',
    'reactive energy quadrant 1, tariff 2 (peak)',
    '第一象限无功电能(峰)',
    '1-0:5.8.2',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    153,
    'reactive-q1-t3',
    'reactive energy quadrant 1, tariff 3 (flat)',
    '第一象限无功电能(平)',
    '1-0:5.8.3',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    154,
    'reactive-q1-t4',
    'reactive energy quadrant 1, tariff 4 (valley)',
    '第一象限无功电能(谷)',
    '1-0:5.8.4',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    160,
    'reactive-q2-total',
    'reactive energy quadrant 2, total',
    '第二象限无功电能(总)',
    '1-0:6.8.0',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    161,
    'reactive-q2-t1',
    'reactive energy quadrant 2, tariff 1 (sharp)',
    '第二象限无功电能(尖)',
    '1-0:6.8.1',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    162,
    'reactive-q2-t2',
    'reactive energy quadrant 2, tariff 2 (peak)',
    '第二象限无功电能(峰)',
    '1-0:6.8.2',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    163,
    'reactive-q2-t3',
    'reactive energy quadrant 2, tariff 3 (flat)',
    '第二象限无功电能(平)',
    '1-0:6.8.3',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    164,
    'reactive-q2-t4',
    'reactive energy quadrant 2, tariff 4 (valley)',
    '第二象限无功电能(谷)',
    '1-0:6.8.4',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    170,
    'reactive-q3-total',
    'reactive energy quadrant 3, total',
    '第三象限无功电能(总)',
    '1-0:7.8.0',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    171,
    'reactive-q3-t1',
    'reactive energy quadrant 3, tariff 1 (sharp)',
    '第三象限无功电能(尖)',
    '1-0:7.8.1',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    172,
    'reactive-q3-t2',
    'reactive energy quadrant 3, tariff 2 (peak)',
    '第三象限无功电能(峰)',
    '1-0:7.8.2',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    173,
    'reactive-q3-t3',
    'reactive energy quadrant 3, tariff 3 (flat)',
    '第三象限无功电能(平)',
    '1-0:7.8.3',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    174,
    'reactive-q3-t4',
    'reactive energy quadrant 3, tariff 4 (valley)',
    '第三象限无功电能(谷)',
    '1-0:7.8.4',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    180,
    'reactive-q4-total',
    'reactive energy quadrant 4, total',
    '第四象限无功电能(总)',
    '1-0:8.8.0',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    181,
    'reactive-q4-t1',
    'reactive energy quadrant 4, tariff 1 (sharp)',
    '第四象限无功电能(尖)',
    '1-0:8.8.1',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    182,
    'reactive-q4-t2',
    'reactive energy quadrant 4, tariff 2 (peak)',
    '第四象限无功电能(峰)',
    '1-0:8.8.2',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    183,
    'reactive-q4-t3',
    'reactive energy quadrant 4, tariff 3 (flat)',
    '第四象限无功电能(平)',
    '1-0:8.8.3',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    184,
    'reactive-q4-t4',
    'reactive energy quadrant 4, tariff 4 (valley)',
    '第四象限无功电能(谷)',
    '1-0:8.8.4',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    190,
    'apparent-import-total',
    'apparent energy import, total',
    '正向视在电能(总)',
    '1-0:9.8.0',
    'kVAh',
    -3,
    'energy'
  ),
  item(
    191,
    'apparent-import-t1',
    'apparent energy import, tariff 1 (sharp)',
    '正向视在电能(尖)',
    '1-0:9.8.1',
    'kVAh',
    -3,
    'energy'
  ),
  item(
    192,
    'apparent-import-t2',
    'apparent energy import, tariff 2 (peak)',
    '正向视在电能(峰)',
    '1-0:9.8.2',
    'kVAh',
    -3,
    'energy'
  ),
  item(
    193,
    'apparent-import-t3',
    'apparent energy import, tariff 3 (flat)',
    '正向视在电能(平)',
    '1-0:9.8.3',
    'kVAh',
    -3,
    'energy'
  ),
  item(
    194,
    'apparent-import-t4',
    'apparent energy import, tariff 4 (valley)',
    '正向视在电能(谷)',
    '1-0:9.8.4',
    'kVAh',
    -3,
    'energy'
  ),
  item(
    195,
    'apparent-export-total',
    'apparent energy export, total',
    '反向视在电能(总)',
    '1-0:10.8.0',
    'kVAh',
    -3,
    'energy'
  ),
  item(
    196,
    'apparent-export-t1',
    'apparent energy export, tariff 1 (sharp)',
    '反向视在电能(尖)',
    '1-0:10.8.1',
    'kVAh',
    -3,
    'energy'
  ),
  item(
    197,
    'apparent-export-t2',
    'apparent energy export, tariff 2 (peak)',
    '反向视在电能(峰)',
    '1-0:10.8.2',
    'kVAh',
    -3,
    'energy'
  ),
  item(
    198,
    'apparent-export-t3',
    'apparent energy export, tariff 3 (flat)',
    '反向视在电能(平)',
    '1-0:10.8.3',
    'kVAh',
    -3,
    'energy'
  ),
  item(
    199,
    'apparent-export-t4',
    'apparent energy export, tariff 4 (valley)',
    '反向视在电能(谷)',
    '1-0:10.8.4',
    'kVAh',
    -3,
    'energy'
  ),
  item(
    200,
    'active-import-a',
    'active energy import, phase A',
    'A相正向有功电能',
    '1-0:21.8.0',
    'kWh',
    -3,
    'energy'
  ),
  item(
    201,
    'active-import-b',
    'active energy import, phase B',
    'B相正向有功电能',
    '1-0:41.8.0',
    'kWh',
    -3,
    'energy'
  ),
  item(
    202,
    'active-import-c',
    'active energy import, phase C',
    'C相正向有功电能',
    '1-0:61.8.0',
    'kWh',
    -3,
    'energy'
  ),
  item(
    203,
    'active-export-a',
    'active energy export, phase A',
    'A相反向有功电能',
    '1-0:22.8.0',
    'kWh',
    -3,
    'energy'
  ),
  item(
    204,
    'active-export-b',
    'active energy export, phase B',
    'B相反向有功电能',
    '1-0:42.8.0',
    'kWh',
    -3,
    'energy'
  ),
  item(
    205,
    'active-export-c',
    'active energy export, phase C',
    'C相反向有功电能',
    '1-0:62.8.0',
    'kWh',
    -3,
    'energy'
  ),
  item(
    206,
    'reactive-combined-1-a',
    'combined reactive energy 1, phase A',
    'A相组合无功1电能',
    '1-0:23.8.0',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    207,
    'reactive-combined-1-b',
    'combined reactive energy 1, phase B',
    'B相组合无功1电能',
    '1-0:43.8.0',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    208,
    'reactive-combined-1-c',
    'combined reactive energy 1, phase C',
    'C相组合无功1电能',
    '1-0:63.8.0',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    209,
    'reactive-combined-2-a',
    'combined reactive energy 2, phase A',
    'A相组合无功2电能',
    '1-0:24.8.0',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    210,
    'reactive-combined-2-b',
    'combined reactive energy 2, phase B',
    'B相组合无功2电能',
    '1-0:44.8.0',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    211,
    'reactive-combined-2-c',
    'combined reactive energy 2, phase C',
    'C相组合无功2电能',
    '1-0:64.8.0',
    'kvarh',
    -3,
    'energy'
  ),
  item(
    220,
    'demand-active-import',
    'maximum demand, active import',
    '正向有功最大需量',
    '1-0:1.6.0',
    'kW',
    -5,
    'demand'
  ),
  item(
    221,
    'demand-active-import-time',
    'time of maximum demand, active import',
    '正向有功最大需量发生时间',
    '1-0:1.6.0*time',
    's',
    0,
    'time'
  ),
  item(
    222,
    'demand-active-export',
    'maximum demand, active export',
    '反向有功最大需量',
    '1-0:2.6.0',
    'kW',
    -5,
    'demand'
  ),
  item(
    223,
    'demand-active-export-time',
    'time of maximum demand, active export',
    '反向有功最大需量发生时间',
    '1-0:2.6.0*time',
    's',
    0,
    'time'
  ),
  item(
    224,
    'present-demand-active',
    'present active demand',
    '当前有功需量',
    '1-0:1.4.0',
    'kW',
    -5,
    'demand'
  ),
  item(
    225,
    'present-demand-reactive',
    'present reactive demand',
    '当前无功需量',
    '1-0:3.4.0',
    'kvar',
    -5,
    'demand'
  ),
  item(301, 'voltage-a', 'voltage, phase A', 'A相电压', '1-0:32.7.0', 'V', -2, 'instant'),
  item(302, 'voltage-b', 'voltage, phase B', 'B相电压', '1-0:52.7.0', 'V', -2, 'instant'),
  item(303, 'voltage-c', 'voltage, phase C', 'C相电压', '1-0:72.7.0', 'V', -2, 'instant'),
  item(304, 'voltage-ab', 'line voltage AB', 'AB线电压', '1-0:124.7.0', 'V', -2, 'instant'),
  item(305, 'voltage-bc', 'line voltage BC', 'BC线电压', '1-0:125.7.0', 'V', -2, 'instant'),
  item(306, 'voltage-ca', 'line voltage CA', 'CA线电压', '1-0:126.7.0', 'V', -2, 'instant'),
  item(311, 'current-a', 'current, phase A', 'A相电流', '1-0:31.7.0', 'A', -4, 'instant'),
  item(312, 'current-b', 'current, phase B', 'B相电流', '1-0:51.7.0', 'A', -4, 'instant'),
  item(313, 'current-c', 'current, phase C', 'C相电流', '1-0:71.7.0', 'A', -4, 'instant'),
  item(314, 'current-n', 'neutral current', '零线电流', '1-0:91.7.0', 'A', -4, 'instant'),
  item(320, 'power-active-total', 'active power, total', '总有功功率', '1-0:16.7.0', 'kW', -5, 'instant'),
  item(321, 'power-active-a', 'active power, phase A', 'A相有功功率', '1-0:36.7.0', 'kW', -5, 'instant'),
  item(322, 'power-active-b', 'active power, phase B', 'B相有功功率', '1-0:56.7.0', 'kW', -5, 'instant'),
  item(323, 'power-active-c', 'active power, phase C', 'C相有功功率', '1-0:76.7.0', 'kW', -5, 'instant'),
  item(
    330,
    'power-reactive-total',
    'reactive power, total',
    '总无功功率',
    '1-0:131.7.0',
    'kvar',
    -5,
    'instant'
  ),
  item(
    331,
    'power-reactive-a',
    'reactive power, phase A',
    'A相无功功率',
    '1-0:151.7.0',
    'kvar',
    -5,
    'instant'
  ),
  item(
    332,
    'power-reactive-b',
    'reactive power, phase B',
    'B相无功功率',
    '1-0:171.7.0',
    'kvar',
    -5,
    'instant'
  ),
  item(
    333,
    'power-reactive-c',
    'reactive power, phase C',
    'C相无功功率',
    '1-0:191.7.0',
    'kvar',
    -5,
    'instant'
  ),
  item(340, 'power-apparent-total', 'apparent power, total', '总视在功率', '1-0:9.7.0', 'kVA', -5, 'instant'),
  item(341, 'power-apparent-a', 'apparent power, phase A', 'A相视在功率', '1-0:29.7.0', 'kVA', -5, 'instant'),
  item(342, 'power-apparent-b', 'apparent power, phase B', 'B相视在功率', '1-0:49.7.0', 'kVA', -5, 'instant'),
  item(343, 'power-apparent-c', 'apparent power, phase C', 'C相视在功率', '1-0:69.7.0', 'kVA', -5, 'instant'),
  item(350, 'power-factor-total', 'power factor, total', '总功率因数', '1-0:13.7.0', '', -4, 'instant'),
  item(351, 'power-factor-a', 'power factor, phase A', 'A相功率因数', '1-0:33.7.0', '', -4, 'instant'),
  item(352, 'power-factor-b', 'power factor, phase B', 'B相功率因数', '1-0:53.7.0', '', -4, 'instant'),
  item(353, 'power-factor-c', 'power factor, phase C', 'C相功率因数', '1-0:73.7.0', '', -4, 'instant'),
  item(360, 'frequency', 'frequency', '频率', '1-0:14.7.0', 'Hz', -3, 'instant'),
  item(361, 'phase-angle-a', 'phase angle, phase A', 'A相相角', '1-0:81.7.4', 'deg', -1, 'instant'),
  item(362, 'phase-angle-b', 'phase angle, phase B', 'B相相角', '1-0:81.7.15', 'deg', -1, 'instant'),
  item(363, 'phase-angle-c', 'phase angle, phase C', 'C相相角', '1-0:81.7.26', 'deg', -1, 'instant'),
  item(370, 'temperature', 'temperature', '表内温度', '0-0:96.9.0', '°C', -1, 'instant'),
  item(
    371,
    'clock-battery-voltage',
    'clock battery voltage',
    '时钟电池电压',
    '0-0:96.6.3',
    'V',
    -2,
    'instant'
  ),
  item(
    372,
    'outage-battery-voltage',
    'outage battery voltage',
    '停电抄表电池电压',
    '0-1:96.6.3',
    'V',
    -2,
    'instant'
  ),
  item(401, 'status-word-1', 'status word 1', '电表运行状态字1', '0-0:97.97.1', '', 0, 'status'),
  item(402, 'status-word-2', 'status word 2', '电表运行状态字2', '0-0:97.97.2', '', 0, 'status'),
  item(403, 'status-word-3', 'status word 3', '电表运行状态字3', '0-0:97.97.3', '', 0, 'status'),
  item(404, 'status-word-4', 'status word 4', '电表运行状态字4', '0-0:97.97.4', '', 0, 'status'),
  item(405, 'status-word-5', 'status word 5', '电表运行状态字5', '0-0:97.97.5', '', 0, 'status'),
  item(406, 'status-word-6', 'status word 6', '电表运行状态字6', '0-0:97.97.6', '', 0, 'status'),
  item(407, 'status-word-7', 'status word 7', '电表运行状态字7', '0-0:97.97.7', '', 0, 'status'),
  item(410, 'count-power-down', 'power-down count', '掉电次数', '0-0:96.7.0', '', 0, 'counter'),
  item(411, 'count-programming', 'programming count', '编程次数', '0-0:96.2.0', '', 0, 'counter'),
  item(412, 'count-cover-opened', 'meter cover opened count', '开表盖次数', '0-0:96.20.0', '', 0, 'counter'),
  item(
    413,
    'count-terminal-cover-opened',
    'terminal cover opened count',
    '开端钮盖次数',
    '0-0:96.20.5',
    '',
    0,
    'counter'
  ),
  item(
    414,
    'count-magnetic-field',
    'constant magnetic field count',
    '恒定磁场干扰次数',
    '0-0:96.20.15',
    '',
    0,
    'counter'
  ),
  item(415, 'count-time-set', 'clock set count', '校时次数', '0-0:96.2.10', '', 0, 'counter'),
  item(416, 'count-demand-cleared', 'demand cleared count', '需量清零次数', '1-0:0.1.0', '', 0, 'counter'),
  item(417, 'count-meter-cleared', 'meter cleared count', '电表清零次数', '0-0:96.2.20', '', 0, 'counter'),
  item(418, 'count-events-cleared', 'events cleared count', '事件清零次数', '0-0:96.2.30', '', 0, 'counter'),
  item(
    419,
    'count-voltage-loss',
    'all-phase voltage loss count',
    '全失压次数',
    '0-0:96.7.5',
    '',
    0,
    'counter'
  ),
  item(
    420,
    'count-voltage-reversed',
    'voltage phase sequence reversed count',
    '电压逆相序次数',
    '0-0:96.7.20',
    '',
    0,
    'counter'
  ),
  item(
    421,
    'count-current-reversed',
    'current phase sequence reversed count',
    '电流逆相序次数',
    '0-0:96.7.21',
    '',
    0,
    'counter'
  ),
  item(
    422,
    'count-tariff-programming',
    'tariff periods programmed count',
    '时段表编程次数',
    '0-0:96.2.40',
    '',
    0,
    'counter'
  ),
  item(450, 'register-ct-ratio', 'CT ratio in the meter', '电流互感器变比', '1-0:0.4.2', '', -3, 'parameter'),
  item(451, 'register-pt-ratio', 'PT ratio in the meter', '电压互感器变比', '1-0:0.4.3', '', -3, 'parameter'),
  item(452, 'constant-active', 'meter constant, active', '有功常数', '1-0:0.3.0', 'imp/kWh', 0, 'parameter'),
  item(
    453,
    'constant-reactive',
    'meter constant, reactive',
    '无功常数',
    '1-0:0.3.1',
    'imp/kvarh',
    0,
    'parameter'
  )
]

const BY_ID = new Map(ITEMS.map(entry => [entry.id, entry]))
const BY_KEY = new Map(ITEMS.map(entry => [entry.key, entry]))

/** The item of an id. @throws CodecError CODEC_UNKNOWN_ITEM */
export function itemById(id: number): Item {
  const found = BY_ID.get(id)
  if (!found)
    throw new CodecError(
      'CODEC_UNKNOWN_ITEM',
      `no item has the number ${id} in catalogue version ${CATALOGUE_VERSION}`
    )
  return found
}

/** The item of a key such as 'active-import-total'; undefined when there is none. */
export function findItem(key: string): Item | undefined {
  return BY_KEY.get(key)
}

/** The item of a key. @throws CodecError CODEC_UNKNOWN_ITEM */
export function itemByKey(key: string): Item {
  const found = BY_KEY.get(key)
  if (!found)
    throw new CodecError('CODEC_UNKNOWN_ITEM', `no item is called ${JSON.stringify(key)}`, { at: key })
  return found
}

/** Named sets of items for configuration. A meter that lacks an item of a set reports it as null. */
export const ITEM_SETS: Readonly<Record<string, readonly string[]>> = {
  energy: [
    'active-import-total',
    'active-import-t1',
    'active-import-t2',
    'active-import-t3',
    'active-import-t4',
    'active-export-total'
  ],
  standard: [
    'active-import-total',
    'active-import-t1',
    'active-import-t2',
    'active-import-t3',
    'active-import-t4',
    'active-export-total',
    'voltage-a',
    'voltage-b',
    'voltage-c',
    'current-a',
    'current-b',
    'current-c',
    'power-active-total',
    'power-active-a',
    'power-active-b',
    'power-active-c',
    'power-reactive-total',
    'power-factor-total',
    'power-factor-a',
    'power-factor-b',
    'power-factor-c',
    'frequency'
  ]
}
