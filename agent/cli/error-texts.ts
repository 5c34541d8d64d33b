/**
 * Short Chinese meanings of the error codes, shown before the message in Chinese. Codes and JSON stay as they are.
 * docs/errors.md explains each code in full; a test holds the declared codes and this table together.
 */
export const ERROR_TEXTS_ZH: Readonly<Record<string, string>> = {
  USAGE_FLAG: '参数错误',
  USAGE_ARGUMENT: '缺少参数或参数过多',
  USAGE_NOT_FOUND: '指定的对象不存在',
  USAGE_NEEDS_DAEMON: '需要网关服务正在运行',

  RUN_FAILED: '网关服务无法继续运行',
  READ_SILENT: '电表无应答',
  READ_GARBAGE: '电表应答无法使用',

  CONFIG_UNREADABLE: '无法读取配置文件',
  CONFIG_SYNTAX: '配置文件语法错误',
  CONFIG_INVALID: '配置无效',

  BUS_CONFIG: '端口设置错误',
  BUS_OPEN: '端口打不开',
  BUS_LOCKED: '端口被其他程序占用',
  BUS_MISSING: '端口不存在',
  BUS_PERMISSION: '无权打开端口',
  BUS_HANGUP: '端口连接中断',
  BUS_WRITE: '端口写入失败',
  BUS_CLOSED: '总线已关闭',
  BUS_NOT_A_REQUEST: '拒绝发送非抄读报文',

  CONTROL_UNREACHABLE: '无法与网关服务通信',
  CONTROL_PROTOCOL: '与网关服务的通信不匹配',
  CONTROL_REMOTE: '网关服务拒绝了请求',
  CONTROL_IN_USE: '已有网关服务在运行',

  HOST_SECRET_MISSING: '密钥文件不存在',
  HOST_SECRET_MODE: '密钥文件可被他人读取',
  HOST_SECRET_EXISTS: '密钥已存在,不会覆盖',
  HOST_SECRET_EMPTY: '密钥文件为空',
  HOST_NOTIFY: '无法通知服务管理器',
  HOST_IO: '密钥文件读写失败',

  STORE_MISSING: '尚无数据库',
  STORE_LOCKED: '数据库被另一进程占用',
  STORE_OPEN: '数据库打不开',
  STORE_READONLY: '数据库不可写',
  STORE_SCHEMA: '数据库版本或类型不符',
  STORE_CORRUPT: '数据库损坏',
  STORE_FULL: '磁盘或数据库配额已满',
  STORE_IO: '磁盘读写失败',
  STORE_BUSY: '数据库忙',
  STORE_SEQ: '批次序号不连续',
  STORE_NOT_FOUND: '数据库中没有该数据',
  STORE_MEMBER: '批次成员不一致',
  STORE_LIMIT: '超出数据库格式上限',
  STORE_FAULT: '数据库故障',

  UPLINK_URL: '消息代理地址错误',
  UPLINK_FILE: '消息代理的证书或密码文件不可读',
  UPLINK_OFFLINE: '消息代理未连接',
  UPLINK_REFUSED: '消息代理拒绝接入',
  UPLINK_TLS: '与消息代理无法建立可信连接',
  UPLINK_TIMEOUT: '消息代理未及时确认',
  UPLINK_CLOSED: '上行连接已关闭',
  UPLINK_NO_BROKER: '未安装内嵌消息代理',
  UPLINK_PORT: '内嵌消息代理无法监听端口',

  CHAIN_UNREACHABLE: '链节点无应答',
  CHAIN_BUSY: '链节点繁忙',
  CHAIN_ANSWER: '链节点应答异常',
  CHAIN_REFUSED: '链节点拒绝请求',
  CHAIN_REVERTED: '合约回退了调用',
  CHAIN_WRONG_CHAIN: '节点属于另一条链',
  CHAIN_NO_NODE: '本地链节点不可用',
  CHAIN_ARTEFACT: '合约编译产物缺失或损坏',

  ANCHOR_REFUSED: '链不接受该交易',
  ANCHOR_REVERTED: '合约回退了该交易',
  ANCHOR_TIMEOUT: '未及时收到交易回执',

  METRICS_LISTEN: '指标端口无法监听',

  PROFILE_UNKNOWN: '没有该名称的电表型号文件',
  PROFILE_UNREADABLE: '无法读取电表型号文件',
  PROFILE_SYNTAX: '电表型号文件语法错误',
  PROFILE_INVALID: '电表型号文件无效',

  SIMULATOR_PTY: '无法创建伪终端',
  SIMULATOR_CONFIG: '仿真配置错误',
  SIMULATOR_PROFILE: '仿真电表的型号文件不可用',
  SIMULATOR_REPLAY: '抓包文件无法回放',

  CHILD_START: '子进程未能启动',
  CHILD_DIED: '子进程提前结束',

  CODEC_HEX: '不是十六进制',
  CODEC_RANGE: '数值超出范围',
  CODEC_TRUNCATED: '数据不完整',
  CODEC_TRAILING: '末尾有多余字节',
  CODEC_NOT_CANONICAL: '编码不是规范形式',
  CODEC_TOO_LARGE: '超出大小限制',
  CODEC_TOO_DEEP: '嵌套过深',
  CODEC_SHAPE: '数据结构不符',
  CODEC_VERSION: '未知的版本或格式',
  CODEC_UNKNOWN_ITEM: '数据项目录中没有该项',
  CODEC_FORBIDDEN_CONTROL: '拒绝发送可能改动电表的报文',
  CODEC_ADDRESS: '地址错误',
  CODEC_BCD: '不是十进制数字',

  CRYPTO_KEY: '密钥无效',
  CRYPTO_SIGNATURE: '签名不成立',
  CRYPTO_TAG: '密文校验不成立',
  CRYPTO_RECIPIENT: '接收方密钥不符',
  CRYPTO_SUITE: '未知的算法套件',
  CRYPTO_ROOT: 'Merkle 根不符',
  CRYPTO_BACKEND: '没有正确的密码算法实现',

  DEFECT: '程序缺陷'
}
