"""A made world of people, wardrobes, cameras and light, for those without data."""
