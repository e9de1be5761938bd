//! The bytes of an event file: a sequence of records (see `rekindle_tasks::tfrecord`), each one protobuf message
//! `Event`.
//!
//! ```text
//! Event { 1: double wall_time, 2: int64 step, 3: string file_version | 5: Summary | 7: SessionLog }
//! Summary { 1: Value { 1: string tag, 2: float simple_value } }      SessionLog { 1: enum status, 1 is START }
//! ```
//! From TensorFlow's `event.proto` and `summary.proto`. Four messages with seven fields do not need a protobuf library.

/// One event.
pub(super) struct Event<'a> {
    /// Since 1970.
    pub(super) seconds: f64,
    /// TensorBoard's step.
    pub(super) iteration: u64,
    pub(super) what: What<'a>,
}

/// What an event says.
pub(super) enum What<'a> {
    /// The first record of every file.
    Version,
    /// A run starts here: readers forget what earlier files say about this step and later ones.
    Start,
    /// A number with a name.
    Scalar { tag: &'a str, value: f32 },
}

impl Event<'_> {
    /// The event as one record.
    pub(super) fn record(&self) -> Vec<u8> {
        rekindle_tasks::tfrecord::frame(&self.message())
    }

    fn message(&self) -> Vec<u8> {
        let mut event = Message::default();
        event.fixed64(1, self.seconds.to_le_bytes());
        match self.what {
            // The version stands for the whole file and has no step.
            What::Version => event.bytes(3, b"brain.Event:2"),
            What::Start => {
                let mut session = Message::default();
                session.varint(1, 1);
                event.varint(2, self.iteration);
                event.bytes(7, &session.0);
            }
            What::Scalar { tag, value } => {
                let (mut summary, mut one) = (Message::default(), Message::default());
                one.bytes(1, tag.as_bytes());
                one.fixed32(2, value.to_le_bytes());
                summary.bytes(1, &one.0);
                event.varint(2, self.iteration);
                event.bytes(5, &summary.0);
            }
        }
        event.0
    }
}

/// A protobuf message as it grows: each field is its number and wire type in one varint, and then its value.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, field: u64, value: u64) {
        self.raw_varint(field << 3);
        self.raw_varint(value);
    }

    fn fixed64(&mut self, field: u64, value: [u8; 8]) {
        self.raw_varint(field << 3 | 1);
        self.0.extend(value);
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.raw_varint(field << 3 | 2);
        self.raw_varint(value.len() as u64);
        self.0.extend(value);
    }

    fn fixed32(&mut self, field: u64, value: [u8; 4]) {
        self.raw_varint(field << 3 | 5);
        self.0.extend(value);
    }

    /// Seven bits a byte, the lowest first; the highest bit says that more follow.
    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An event as read back. Written without the code above, so that the two can disagree.
    #[derive(Debug, PartialEq)]
    pub(in super::super) enum Parsed {
        Version(String),
        Start { step: u64 },
        Scalar { step: u64, tag: String, value: f32 },
    }

    /// All events of a file, whose checksums must be right.
    pub(in super::super) fn parse_file(mut bytes: &[u8]) -> Vec<Parsed> {
        let mut events = Vec::new();
        while !bytes.is_empty() {
            let (length, rest) = bytes.split_at(8);
            let (length_crc, rest) = rest.split_at(4);
            let (message, rest) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
            let (crc, rest) = rest.split_at(4);
            assert_eq!(length_crc, slow_masked_crc(length).to_le_bytes());
            assert_eq!(crc, slow_masked_crc(message).to_le_bytes());
            events.push(parse_event(message));
            bytes = rest;
        }
        events
    }

    /// CRC-32C bit by bit (polynomial 0x1EDC6F41, reflected), masked by the formula of record_writer.cc.
    fn slow_masked_crc(bytes: &[u8]) -> u32 {
        let mut crc = u32::MAX;
        for byte in bytes {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = (crc >> 1) ^ (0x82f6_3b78 & 0u32.wrapping_sub(crc & 1));
            }
        }
        (!crc).rotate_right(15).wrapping_add(0xa282_ead8)
    }

    fn parse_event(message: &[u8]) -> Parsed {
        let fields = fields(message);
        let get = |number| fields.iter().find(|(n, _)| *n == number).map(|(_, value)| value);
        assert_eq!(get(1).unwrap().len(), 8, "the wall-clock time is a double");
        let step = get(2).map_or(0, |step| varint(step).0);
        if let Some(version) = get(3) {
            return Parsed::Version(String::from_utf8(version.clone()).unwrap());
        }
        if let Some(session) = get(7) {
            assert_eq!(session, &[8, 1]);
            return Parsed::Start { step };
        }
        let value = &super::tests::fields(get(5).unwrap())[0].1;
        let value = super::tests::fields(value);
        let number = f32::from_le_bytes(value[1].1.clone().try_into().unwrap());
        Parsed::Scalar { step, tag: String::from_utf8(value[0].1.clone()).unwrap(), value: number }
    }

    /// Field numbers and their values; a varint's value are its bytes.
    fn fields(mut message: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let mut fields = Vec::new();
        while !message.is_empty() {
            let (key, used) = varint(message);
            message = &message[used..];
            let (skip, length) = match key & 7 {
                0 => (0, varint(message).1),
                1 => (0, 8),
                2 => {
                    let (length, used) = varint(message);
                    (used, length as usize)
                }
                5 => (0, 4),
                other => panic!("wire type {other}"),
            };
            fields.push((key >> 3, message[skip..skip + length].to_vec()));
            message = &message[skip + length..];
        }
        fields
    }

    /// The value, and how many bytes it takes.
    fn varint(bytes: &[u8]) -> (u64, usize) {
        let used = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        (bytes[..used].iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f)), used)
    }

    /// What TensorBoard 2.21's own protobuf classes and `RecordWriter` (Python) write for the same three events.
    #[test]
    fn records_are_those_of_tensorboards_own_writer() {
        let hex = |what| {
            let record = Event { seconds: 1.5, iteration: 300, what }.record();
            record.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        assert_eq!(
            hex(What::Version),
            "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c"
        );
        assert_eq!(hex(What::Start), "100000000000000095fbfe1809000000000000f83f10ac023a020801713b788a");
        assert_eq!(
            hex(What::Scalar { tag: "train/loss", value: 0.25 }),
            "2100000000000000017becf609000000000000f83f10ac022a130a110a0a747261696e2f6c6f7373150000803e6557981f"
        );
    }

    #[test]
    fn steps_of_any_size_come_back() {
        for step in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), i64::MAX as u64] {
            let event =
                Event { seconds: 1.7e9, iteration: step, what: What::Scalar { tag: "Verlust ≤", value: -0.1 } };
            let expected = Parsed::Scalar { step, tag: "Verlust ≤".to_owned(), value: -0.1 };
            assert_eq!(parse_file(&event.record()), [expected]);
        }
    }
}
