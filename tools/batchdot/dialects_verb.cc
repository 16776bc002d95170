// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "tools/batchdot/arguments.h"
#include "tools/batchdot/report.h"

namespace batchdot::tool {

namespace {

// What one dialect makes of one choice of axes.
struct Cell {
  std::optional<Inference> answer;
  std::optional<Error> error;

  std::string text() const {
    return answer ? to_string(answer->shape) : "error " + std::string(info(error->code()).name);
  }
};

// One choice of axes in all dialects.
struct Column {
  Axes axes;
  std::string title;
  std::vector<Cell> cells;  // cells[i] is that of Dialect::names()[i]
  bool is_complex;
};

// Dialects that give the same.
struct Group {
  std::vector<std::size_t> dialects;
  std::size_t sample = 0;  // one of them
};

Column column_of(const Problem& asked, const Axes& axes, bool is_complex) {
  Column column;
  column.is_complex = is_complex;
  column.axes = axes;
  column.title = axes.is_none() ? "no axes" : "axes " + to_string(OptionValue(axes));
  Problem problem = asked;
  if (!axes.is_none()) problem.options["axes"] = axes;
  for (const std::string_view dialect : Dialect::names()) {
    Cell cell;
    try {
      cell.answer = infer(in_dialect(problem, dialect));
    } catch (const Error& error) {
      cell.error = error;
    }
    column.cells.push_back(std::move(cell));
  }
  return column;
}

std::vector<Group> groups_of(const Column& column) {
  std::vector<Group> groups;
  for (std::size_t i = 0; i < column.cells.size(); ++i) {
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const Group& group) {
      const Cell& a = column.cells[group.sample];
      const Cell& b = column.cells[i];
      if (!a.answer || !b.answer) return a.text() == b.text();
      return is_same_computation(*a.answer, *b.answer, column.is_complex);
    });
    if (same != groups.end()) {
      same->dialects.push_back(i);
    } else {
      groups.push_back({{i}, i});
    }
  }
  return groups;
}

// "keras-0.3 to keras-2.2, tfjs": runs of neighbours by their ends.
std::string names_of(const Group& group) {
  const std::span<const std::string_view> names = Dialect::names();
  std::string out;
  for (std::size_t i = 0; i < group.dialects.size();) {
    std::size_t last = i;
    while (last + 1 < group.dialects.size() &&
           group.dialects[last + 1] == group.dialects[last] + 1) {
      ++last;
    }
    if (!out.empty()) out += ", ";
    out += names[group.dialects[i]];
    if (last > i) out += (last == i + 1 ? ", " : " to ") + std::string(names[group.dialects[last]]);
    i = last + 1;
  }
  return out;
}

// What a group gives; where another one gives the same shape, how it comes to it.
std::string text_of(const Column& column, const std::vector<Group>& groups, const Group& group) {
  const Cell& cell = column.cells[group.sample];
  const auto alike = std::count_if(groups.begin(), groups.end(), [&](const Group& other) {
    return column.cells[other.sample].text() == cell.text();
  });
  if (alike == 1 || !cell.answer) return cell.text();
  return cell.text() + " = " + computation_of(*cell.answer, column.is_complex);
}

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u;
  }));
}

void print_table(const Problem& problem, const std::vector<Column>& columns, std::ostream& out) {
  const std::span<const std::string_view> names = Dialect::names();
  const auto print_row = [&](std::string_view first, const std::vector<std::string>& cells,
                             const std::vector<std::size_t>& widths) {
    std::string line(first);
    std::size_t wanted = widths[0];
    for (std::size_t i = 0; i < cells.size(); ++i) {
      line.append(wanted + 2 - std::min(wanted + 2, width_of(i == 0 ? first : cells[i - 1])), ' ');
      line += cells[i];
      wanted = widths[i + 1];
    }
    out << line << '\n';
  };
  std::vector<std::size_t> widths = {std::string_view("dialect").size()};
  for (const std::string_view name : names) widths[0] = std::max(widths[0], name.size());
  std::vector<std::string> titles;
  for (const Column& column : columns) {
    std::size_t width = width_of(column.title);
    for (const Cell& cell : column.cells) width = std::max(width, width_of(cell.text()));
    widths.push_back(width);
    titles.push_back(column.title);
  }
  out << "batch_dot of lhs " << problem.shapes[0] << " and rhs " << problem.shapes[1] << "\n\n";
  print_row("dialect", titles, widths);
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::vector<std::string> cells;
    for (const Column& column : columns) cells.push_back(column.cells[i].text());
    print_row(names[i], cells, widths);
  }
}

void print_groups(const std::vector<Column>& columns, std::ostream& out) {
  for (const Column& column : columns) {
    const std::vector<Group> groups = groups_of(column);
    out << '\n' << column.title;
    if (groups.size() == 1) {
      const Cell& cell = column.cells[0];
      out << ": the same in every dialect: " << cell.text() << '\n';
      if (cell.error) out << "  " << cell.error->message() << '\n';
      continue;
    }
    out << ": they part\n";
    for (const Group& group : groups) {
      const Cell& cell = column.cells[group.sample];
      out << "  " << text_of(column, groups, group) << ": " << names_of(group) << '\n';
      if (cell.error) out << "    " << cell.error->message() << '\n';
    }
  }
}

nlohmann::ordered_json document_of(const Problem& problem, const std::vector<Column>& columns) {
  using Json = nlohmann::ordered_json;
  const auto shape_json = [](const Shape& shape) { return Json::parse(to_json(shape)); };
  const auto axes_json = [&](const Axes& axes) {
    Problem asked = problem;
    asked.options = {{"axes", axes}};
    return Json::parse(to_json(asked))["axes"];
  };
  const auto describe = [&](Json& entry, const Cell& cell) {
    if (cell.answer) {
      entry["shape"] = shape_json(cell.answer->shape);
    } else {
      entry["error"] = Json::parse(to_json(*cell.error))["error"];
    }
  };
  Json document;
  document["operation"] = problem.operation;
  document["shapes"] = Json::array();
  for (const Shape& shape : problem.shapes) document["shapes"].push_back(shape_json(shape));
  document["results"] = Json::array();
  document["groups"] = Json::array();
  for (const Column& column : columns) {
    for (std::size_t i = 0; i < column.cells.size(); ++i) {
      Json entry;
      entry["dialect"] = Dialect::names()[i];
      entry["axes"] = axes_json(column.axes);
      describe(entry, column.cells[i]);
      document["results"].push_back(std::move(entry));
    }
    for (const Group& group : groups_of(column)) {
      Json entry;
      entry["axes"] = axes_json(column.axes);
      entry["dialects"] = Json::array();
      for (const std::size_t i : group.dialects) entry["dialects"].push_back(Dialect::names()[i]);
      describe(entry, column.cells[group.sample]);
      if (const Cell& cell = column.cells[group.sample]; cell.answer) {
        entry["computation"] = computation_of(*cell.answer, column.is_complex);
      }
      document["groups"].push_back(std::move(entry));
    }
  }
  return document;
}

constexpr VerbOption kOptions[] = {
    {{"axes", OptionKind::kAxes, "A,B",
      "the axes that are summed over (default: none, then 1,1, then 2,2, ...)"}},
    kJsonOption,
};

int run(const Arguments& arguments, Session& session) {
  if (arguments.words.size() != 2) {
    throw Error(ErrorCode::kUsage, "dialects: takes 2 shapes, got " +
                                       std::to_string(arguments.words.size()) +
                                       ": batchdot dialects SHAPE SHAPE [--axes A,B]");
  }
  Problem problem;
  problem.operation = "batch_dot";
  bool is_complex = false;
  for (const std::string& word : arguments.words) {
    if (is_file(word)) {
      const ArrayInfo array = inspect_array(word);
      is_complex = is_complex || array.dtype.is_complex();
      problem.shapes.emplace_back(array.extents);
    } else {
      problem.shapes.push_back(parse_shape(word));
    }
  }
  std::vector<Column> columns;
  if (const std::string* typed = arguments.find("axes")) {
    columns.push_back(
        column_of(problem, std::get<Axes>(parse_option(kOptions[0].info, *typed)), is_complex));
  } else {
    columns.push_back(column_of(problem, {}, is_complex));
    const int most = std::max(problem.shapes[0].rank(), problem.shapes[1].rank());
    for (int axis = 1; axis < most; ++axis)
      columns.push_back(column_of(problem, Axes({axis, axis}), is_complex));
  }
  if (arguments.has("json")) {
    session.out << document_of(problem, columns).dump() << '\n';
    return 0;
  }
  print_table(problem, columns, session.out);
  print_groups(columns, session.out);
  return 0;
}

constexpr std::string_view kExamples[] = {
    "dialects _,36,8,24 _,36,8,24",
    "dialects 4,3,5 4,3,5 --axes 2,2",
};

}  // namespace

const Verb kDialectsVerb = {
    "dialects",
    "SHAPE SHAPE [--axes A,B]",
    "batch_dot in every dialect: shape or error, and where they part",
    "Prints what batch_dot gives in each dialect, oldest first: the shape, or the code of the "
    "error it refuses with; below the table, which dialects agree, by which equation where one "
    "shape is reached in several ways, and the messages. Without "
    "--axes there is one column for a call without axes, and one for each pair 1,1 and 2,2 and so "
    "on, up to the last axis of the operand of higher rank; axis 0 is the batch and has none. "
    "Refusals in the table are no error.",
    kOptions,
    false,
    {},
    kExamples,
    run,
};

}  // namespace batchdot::tool
