"""The hall of calls: joins the rooms, asks the world for effects, owns no socket and no clock."""
