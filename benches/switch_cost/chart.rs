//! Bar charts as SVG text: one bar per figure, with the spread of its rounds drawn across its end.
//!
//! Lengths are logarithmic where the largest value is many times the smallest, and the caption then
//! says so: on such an axis a bar twice as long is not twice as much.

use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::figure::{Figure, Side, Spread, Unit, Versus, ratio};
use crate::table::brief;

/// One bar.
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) side: Side,
    pub(crate) spread: Spread,
    /// The value as text, at the end of the bar.
    pub(crate) value: String,
    /// A mark to reach.
    pub(crate) goal: Option<f64>,
}

const WIDTH: u32 = 980;
const LABELS: u32 = 390;
const VALUES: u32 = 90;
const ROW: u32 = 24;
const AXIS: u32 = 34;

/// Above this ratio of the extremes lengths are logarithmic.
const LINEAR_UP_TO: f64 = 30.0;

fn colour(side: Side) -> RGBColor {
    match side {
        Side::Thread => RGBColor(0xb4, 0x5f, 0x3c),
        Side::Gort => RGBColor(0x2a, 0x6f, 0x97),
        Side::Go => RGBColor(0x5b, 0xa8, 0x9a),
    }
}

/// The bars of one section's figures that share a unit.
pub(crate) fn of_figures(list: &[&Figure], unit: Unit) -> Vec<Bar> {
    let bar = |f: &&Figure| {
        let spread = f.spread().filter(|s| s.median > 0.0)?;
        let value = brief(unit, spread.median);
        let label = format!("{}: {}", f.side.name(), f.title);
        Some(Bar { label, side: f.side, spread, value, goal: None })
    };
    list.iter().filter(|f| f.unit == unit).filter_map(bar).collect()
}

/// The bars of a comparison: how many times, and the goal as a mark.
pub(crate) fn of_ratios(list: &[Versus], figures: &[Figure]) -> Vec<Bar> {
    let compared = list.iter().filter_map(|v| v.compare(figures));
    compared
        .map(|c| Bar {
            label: c.versus.title.clone(),
            side: Side::Gort,
            spread: Spread { median: c.ratio, min: c.ratio, max: c.ratio },
            value: ratio(c.ratio),
            goal: c.versus.goal,
        })
        .collect()
}

/// Draws the bars; `axis` writes the numbers below. Returns the SVG and whether it is logarithmic.
pub(crate) fn draw(bars: &[Bar], axis: &dyn Fn(f64) -> String) -> Result<(String, bool), String> {
    let values = || bars.iter().flat_map(|b| [Some(b.spread.min), Some(b.spread.max), b.goal]);
    let low = values().flatten().filter(|v| *v > 0.0).fold(f64::INFINITY, f64::min);
    let high = values().flatten().fold(0.0, f64::max);
    if bars.is_empty() || !low.is_finite() {
        return Err("nothing to draw".to_owned());
    }
    let logarithmic = high / low > LINEAR_UP_TO;
    let mut svg = String::new();
    let height = ROW * u32::try_from(bars.len()).unwrap_or(1) + AXIS;
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        let drawn = if logarithmic {
            let from = 10_f64.powf(low.log10().floor()) * 0.5;
            plot(&area, bars, (from..high * 1.1).log_scale(), from, axis)
        } else {
            plot(&area, bars, 0.0..high * 1.05, 0.0, axis)
        };
        drawn.and_then(|()| area.present()).map_err(|e| e.to_string())?;
    }
    Ok((svg, logarithmic))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

fn plot<X>(area: &Area<'_>, bars: &[Bar], x: X, zero: f64, axis: &dyn Fn(f64) -> String) -> Drawn
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let rows = bars.len() as f64;
    let mut chart = ChartBuilder::on(area)
        .set_label_area_size(LabelAreaPosition::Left, LABELS)
        .set_label_area_size(LabelAreaPosition::Bottom, AXIS)
        .margin_right(VALUES)
        .build_cartesian_2d(x, rows..0.0)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_labels(6)
        .x_label_formatter(&|v| axis(*v))
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(0xdd, 0xdd, 0xdd))
        .axis_style(RGBColor(0x99, 0x99, 0x99))
        .label_style(("sans-serif", 11))
        .draw()?;
    let thin = |c: RGBColor| ShapeStyle { color: c.to_rgba(), filled: false, stroke_width: 1 };
    for (i, bar) in bars.iter().enumerate() {
        let (top, middle, bottom) = (i as f64 + 0.18, i as f64 + 0.5, i as f64 + 0.82);
        let Spread { median, min, max } = bar.spread;
        let body = Rectangle::new([(zero, top), (median, bottom)], colour(bar.side).filled());
        chart.draw_series([body])?;
        let whisker = PathElement::new([(min, middle), (max, middle)], thin(BLACK));
        chart.draw_series([whisker])?;
        if let Some(goal) = bar.goal {
            let mark = PathElement::new([(goal, top - 0.1), (goal, bottom + 0.1)], thin(RED));
            chart.draw_series([mark])?;
        }
        // Text stands beside the plot, in pixels of the whole area.
        let (_, y) = chart.backend_coord(&(zero, middle));
        let (x, _) = chart.backend_coord(&(max.max(bar.goal.unwrap_or(0.0)), middle));
        let style = |h| ("sans-serif", 12).into_text_style(area).pos(Pos::new(h, VPos::Center));
        let labels = i32::try_from(LABELS).unwrap_or(0);
        area.draw(&Text::new(bar.label.clone(), (labels - 8, y), style(HPos::Right)))?;
        area.draw(&Text::new(bar.value.clone(), (x + 6, y), style(HPos::Left)))?;
    }
    Ok(())
}
