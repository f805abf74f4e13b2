"""How things look, from documents alone: times, statuses, graphs and charts as SVG, previews. Nothing here reads."""
