//! Pixels of a screenshot.

use std::io::Cursor;

/// A picture, 8 bits per channel.
#[derive(Debug, Clone)]
pub struct Image {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    channels: usize,
    data: Vec<u8>,
}

impl Image {
    /// Reads a PNG.
    ///
    /// # Panics
    /// When it is damaged, or of another kind than RGB and RGBA with 8 bits.
    pub fn from_png(png: &[u8]) -> Self {
        let mut reader = png::Decoder::new(Cursor::new(png)).read_info().expect("the head of a PNG");
        let mut data = vec![0; reader.output_buffer_size().expect("a size that fits into memory")];
        let info = reader.next_frame(&mut data).expect("the pixels of a PNG");
        let channels = info.color_type.samples();
        assert!(info.bit_depth == png::BitDepth::Eight && channels >= 3, "an RGB or RGBA picture, not {info:?}");
        data.truncate(info.buffer_size());
        Self { width: info.width, height: info.height, channels, data }
    }

    /// Red, green and blue of one pixel.
    ///
    /// # Panics
    /// When it lies outside.
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        assert!(x < self.width && y < self.height, "({x}, {y}) lies outside of {}x{}", self.width, self.height);
        let index = (y as usize * self.width as usize + x as usize) * self.channels;
        [self.data[index], self.data[index + 1], self.data[index + 2]]
    }

    /// How many pixels differ from `colour` by at most `tolerance` in each channel.
    pub fn count_near(&self, colour: [u8; 3], tolerance: u8) -> usize {
        let near = |pixel: &&[u8]| pixel.iter().zip(colour).all(|(found, wanted)| found.abs_diff(wanted) <= tolerance);
        self.data.chunks_exact(self.channels).filter(near).count()
    }
}
