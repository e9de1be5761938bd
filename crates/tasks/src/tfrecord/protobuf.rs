//! The wire format of protobuf, as much of it as a reader needs.

/// The value of one field.
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64,
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
}

/// The fields of a message: number and value.
pub(super) fn fields(mut message: &[u8]) -> Result<Vec<(u64, Value<'_>)>, &'static str> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message)?;
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut message)?),
            1 => take(&mut message, 8).map(|_| Value::Fixed64)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).map_err(|_| CUT)?;
                Value::Bytes(take(&mut message, length)?)
            }
            5 => Value::Fixed32(take(&mut message, 4)?.try_into().map_err(|_| CUT)?),
            _ => return Err("it has a field of an unknown wire type"),
        };
        fields.push((key >> 3, value));
    }
    Ok(fields)
}

/// Takes a number off the front: seven bits a byte, the lowest first; the highest bit says that more follow.
pub(super) fn varint(bytes: &mut &[u8]) -> Result<u64, &'static str> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(CUT)?;
        *bytes = rest;
        // Bits beyond the 64th are lost, as in every protobuf reader.
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("it has a number of more than ten bytes")
}

const CUT: &str = "it ends in the middle of a field";

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], &'static str> {
    let (front, rest) = bytes.split_at_checked(length).ok_or(CUT)?;
    *bytes = rest;
    Ok(front)
}
