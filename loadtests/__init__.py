"""How fast is it, and is that number true?"""
