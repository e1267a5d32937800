//! Reading back what was sent to Carbon's pickle port: just the part of Python's pickle protocol 2
//! that a list of `(name, (time, value))` needs, and nothing that a client should not send.

/// Carbon closes the connection on a longer frame.
const MAX_FRAME: usize = 1 << 20;

/// A point as it was pickled.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pickled {
    pub(crate) name: String,
    pub(crate) time: i64,
    pub(crate) value: f64,
}

/// The frames of a connection: four bytes of length, the highest first, and so many bytes.
///
/// # Errors
/// When one is incomplete or too long.
pub(crate) fn frames(mut sent: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut frames = Vec::new();
    while !sent.is_empty() {
        let (length, rest) = sent.split_first_chunk().ok_or("half a length")?;
        let length = usize::try_from(u32::from_be_bytes(*length)).expect("64 bits");
        if length > MAX_FRAME {
            return Err(format!("a frame of {length} bytes"));
        }
        let (frame, rest) =
            rest.split_at_checked(length).ok_or_else(|| format!("{} bytes of a frame of {length}", rest.len()))?;
        frames.push(frame.to_vec());
        sent = rest;
    }
    Ok(frames)
}

/// The points of a frame.
///
/// # Errors
/// Says what is not as Carbon wants it.
pub(crate) fn points(frame: &[u8]) -> Result<Vec<Pickled>, String> {
    let mut machine = Machine { input: frame, stack: Vec::new(), marks: Vec::new() };
    if machine.bytes()? != [0x80, 2] {
        return Err("not protocol 2".to_owned());
    }
    while machine.step()? {}
    match (machine.input, machine.stack.as_slice()) {
        ([], [Value::List(items)]) => items.iter().map(Value::point).collect(),
        (rest, stack) => Err(format!("{} bytes left over, {stack:?}", rest.len())),
    }
}

#[derive(Clone, Debug)]
enum Value {
    Text(String),
    Int(i64),
    Float(f64),
    Tuple(Vec<Value>),
    List(Vec<Value>),
}

impl Value {
    fn point(&self) -> Result<Pickled, String> {
        if let Value::Tuple(pair) = self
            && let [Value::Text(name), Value::Tuple(sample)] = pair.as_slice()
            && let [Value::Int(time), Value::Float(value)] = sample[..]
        {
            let name = name.clone();
            return Ok(Pickled { name, time, value });
        }
        Err(format!("not (name, (time, value)): {self:?}"))
    }
}

/// Pickle is a program for a machine with a stack.
struct Machine<'a> {
    input: &'a [u8],
    stack: Vec<Value>,
    /// How high the stack was at each `MARK`.
    marks: Vec<usize>,
}

impl Machine<'_> {
    /// Carries out one instruction; false at the end of the program.
    fn step(&mut self) -> Result<bool, String> {
        let [code] = self.bytes()?;
        let value = match code {
            b'.' => return Ok(false),
            b'(' => {
                self.marks.push(self.stack.len());
                return Ok(true);
            }
            // What is remembered here is never asked for again.
            b'q' => return self.bytes::<1>().map(|_| true),
            b'r' => return self.bytes::<4>().map(|_| true),
            b'a' => return self.extend(1).map(|()| true),
            b'e' => {
                let mark = self.mark()?;
                return self.extend(self.stack.len() - mark).map(|()| true);
            }
            b']' => Value::List(Vec::new()),
            b'X' => self.text()?,
            b'K' => Value::Int(self.bytes::<1>()?[0].into()),
            b'M' => Value::Int(u16::from_le_bytes(self.bytes()?).into()),
            b'J' => Value::Int(i32::from_le_bytes(self.bytes()?).into()),
            0x8a => self.long()?,
            b'G' => Value::Float(f64::from_be_bytes(self.bytes()?)),
            0x86 => Value::Tuple(self.pop(2)?),
            b't' => {
                let mark = self.mark()?;
                Value::Tuple(self.pop(self.stack.len() - mark)?)
            }
            other => return Err(format!("an instruction 0x{other:02x}")),
        };
        self.stack.push(value);
        Ok(true)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (bytes, rest) = self.input.split_first_chunk().ok_or("an early end")?;
        self.input = rest;
        Ok(*bytes)
    }

    fn text(&mut self) -> Result<Value, String> {
        let length = usize::try_from(u32::from_le_bytes(self.bytes()?)).expect("64 bits");
        let (text, rest) = self.input.split_at_checked(length).ok_or("half a text")?;
        self.input = rest;
        let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
        Ok(Value::Text(text.to_owned()))
    }

    /// An integer of so many bytes, the lowest first, the highest with the sign.
    fn long(&mut self) -> Result<Value, String> {
        let [length] = self.bytes()?;
        let mut value = 0;
        let mut shift = 0;
        for _ in 0..length {
            let [byte] = self.bytes()?;
            if shift >= i64::BITS {
                return Err(format!("an integer of {length} bytes"));
            }
            value |= i64::from(byte) << shift;
            shift += u8::BITS;
        }
        let unused = i64::BITS - shift;
        Ok(Value::Int(if length == 0 { 0 } else { value << unused >> unused }))
    }

    fn mark(&mut self) -> Result<usize, String> {
        let mark = self.marks.pop().ok_or("no mark")?;
        (mark <= self.stack.len()).then_some(mark).ok_or("a mark above the stack".to_owned())
    }

    fn pop(&mut self, count: usize) -> Result<Vec<Value>, String> {
        let left = self.stack.len().checked_sub(count).ok_or("too low a stack")?;
        Ok(self.stack.split_off(left))
    }

    /// Moves the upper values into the list under them.
    fn extend(&mut self, count: usize) -> Result<(), String> {
        let items = self.pop(count)?;
        let Some(Value::List(list)) = self.stack.last_mut() else {
            return Err("no list to append to".to_owned());
        };
        list.extend(items);
        Ok(())
    }
}
